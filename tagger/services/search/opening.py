"""The index of vectors that the settings choose."""

from __future__ import annotations

from tagger.search.index import VectorIndex
from tagger.settings import Settings


def open_index(settings: Settings) -> VectorIndex | None:
    """None: there is none. numpy is imported with an index, not before."""
    if settings.search_index == "none":
        return None
    from tagger.search.exact import ExactIndex

    return ExactIndex(settings.home / "search")
