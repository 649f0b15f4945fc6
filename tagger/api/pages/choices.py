"""What the filters of lists offer, and the check of what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from tagger.api.deps import AppState
from tagger.api.pages.signed_in import Person
from tagger.errors import BadRequest
from tagger.site import Site

Word = TypeVar("Word", bound=str)


def offered_sites(state: AppState, person: Person) -> list[Site]:
    """Empty for a reviewer, who has one site."""
    return state.ledger.sites() if person.is_operator else []


def one_of(text: str, words: Sequence[Word]) -> Word | None:
    """None: nothing is chosen. Errors: BadRequest for another word."""
    if not text:
        return None
    for word in words:
        if word == text:
            return word
    raise BadRequest(f"{text[:100]!r} is none of: {', '.join(words)}.", "Choose again on the page.")
