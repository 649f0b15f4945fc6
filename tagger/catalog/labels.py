"""When two labels of tags are the same."""

from __future__ import annotations

import unicodedata


def folded(label: str) -> str:
    """Equal for labels that differ only in case or in their Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).casefold())
