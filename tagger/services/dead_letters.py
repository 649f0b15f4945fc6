"""Selecting, replaying and discarding dead letters, as the API and the command line both do it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from tagger.delivery import DeadLetter, Delivery
from tagger.errors import NotFound
from tagger.job import Job
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


def refusals(ledger: Ledger, ids: Sequence[str], before: Collection[str], *, site_id: str | None = None) -> dict[str, str]:
    """Id → why it was not replayed, of those that were named and of which `before` were dead letters."""
    left = {letter.id for letter in selected(ledger, LetterFilter(ids=ids, site_id=site_id))} if ids else set()
    found = ((letter_id, _refusal(ledger, letter_id, before, left, site_id)) for letter_id in dict.fromkeys(ids))
    return {letter_id: reason for letter_id, reason in found if reason}


def _refusal(ledger: Ledger, letter_id: str, before: Collection[str], left: Collection[str], site_id: str | None) -> str:
    if letter_id in left:
        return "a newer job of its asset has taken its place"
    if letter_id in before:
        overtaken = letter_id.startswith("dlv_") and ledger.delivery(letter_id).status == "discarded"
        return "something newer was delivered, so it was discarded" if overtaken else ""
    try:
        found: Job | Delivery = ledger.delivery(letter_id) if letter_id.startswith("dlv_") else ledger.job(letter_id)
    except NotFound:
        return "there is no such dead letter"
    if site_id not in (None, found.site_id):
        return "there is no such dead letter"
    return f"it is no open dead letter: it is {found.status}"
