"""Selecting, replaying and discarding dead letters, as the API and the command line both do it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tagger.delivery import DeadLetter
from tagger.ledger import Ledger

PAGE = 200


@dataclass(frozen=True, kw_only=True)
class LetterFilter:
    """Which dead letters are meant. What is not given does not narrow the choice."""

    ids: Sequence[str] = ()
    site_id: str | None = None
    since_ms: int | None = None
    code: str | None = None  # of the error
    backfill_id: str | None = None


def pages(ledger: Ledger, chosen: LetterFilter) -> Iterator[list[DeadLetter]]:
    """All that the filter selects, newest first. A page may be replayed or discarded before the next one is read."""
    cursor: str | None = None
    while True:
        page = ledger.dead_letters(
            ids=chosen.ids, site_id=chosen.site_id, since_ms=chosen.since_ms, code=chosen.code,
            backfill_id=chosen.backfill_id, cursor=cursor, limit=PAGE,
        )  # fmt: skip
        yield page.data
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def selected(ledger: Ledger, chosen: LetterFilter) -> list[DeadLetter]:
    return [letter for page in pages(ledger, chosen) for letter in page]


def replay(ledger: Ledger, chosen: LetterFilter) -> int:
    """Try them again, with all their attempts; returns how many."""
    return sum(ledger.replay([letter.id for letter in page]) for page in pages(ledger, chosen))
