"""The index of vectors that the settings choose."""

from __future__ import annotations

from tagger.ledger import Ledger
from tagger.search.index import VectorIndex
from tagger.settings import Settings


def open_index(settings: Settings, ledger: Ledger) -> VectorIndex | None:
    """None: there is none. numpy is imported with an index, not before."""
    if settings.search_index == "none":
        return None
    if settings.search_index == "pgvector":
        from tagger.search.pgvector import PgvectorIndex

        return PgvectorIndex(ledger)
    from tagger.search.exact import ExactIndex

    return ExactIndex(settings.home / "search")
