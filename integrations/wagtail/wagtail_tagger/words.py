"""Texts: how a model's text is stored, how texts are compared, and who may replace whose. No database."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection

KEPT = {"outcome": "kept", "reason": "edited_by_person"}
LOCKED = {"outcome": "kept", "reason": "locked_by_person"}

_BLOCK = re.compile(r"<(script|style)\b[^>]*>.*?</\1\s*>", re.I | re.S)
_MARK = re.compile(r"</?[a-zA-Z!][^>]*>")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def stored(value: str) -> str:
    """A model's text without markup, control characters and line breaks."""
    return " ".join(_CONTROL.sub("", _MARK.sub("", _BLOCK.sub("", value))).split())


def hash_of(value: str | None) -> str | None:
    return None if value is None else "sha256:" + hashlib.sha256(value.encode()).hexdigest()


def judge(now: str | None, writer: str, new: str, current: Collection[str | None]) -> dict[str, str]:
    """The outcome; "write" asks for the write."""
    if writer == "person":
        return KEPT
    if now == new:
        return {"outcome": "unchanged"}
    if hash_of(now) not in current:
        return {"outcome": "kept", "reason": "not_what_tagger_wrote"}
    return {"outcome": "write"}


def fits(offered: str, mine: str) -> bool:
    """Whether a text in the language `offered` belongs into a field of the language `mine`. The two Chinese scripts differ."""
    one, other = offered.lower().replace("_", "-"), mine.lower()
    return one == other or (not other.startswith("zh") and one.split("-")[0] == other.split("-")[0])


def same(label: str) -> str:
    """The same for two labels that differ only in case or in Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).casefold())
