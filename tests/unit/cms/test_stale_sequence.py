"""The number of a receiver that refuses a message as stale."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.cms.generic.stale_sequence import MAX_SEQUENCE, stale_sequence


def stale(number: Any) -> dict[str, Any]:
    return {"outcome": "rejected", "reason": "stale_sequence", "sequence": number}


CASES = {
    "one field": ([stale(7)], 7),
    "all fields": ([stale(7), stale(7)], 7),
    "a field was taken": ([stale(7), {"outcome": "written"}], None),
    "a field was not answered": ([stale(7), None], None),
    "two numbers": ([stale(7), stale(8)], None),
    "another reason": ([{**stale(7), "reason": "too_long"}], None),
    "another outcome": ([{**stale(7), "outcome": "kept"}], None),
    "no number": ([{"outcome": "rejected", "reason": "stale_sequence"}], None),
    "a text": ([stale("7")], None),
    "a boolean": ([stale(True)], None),
    "a fraction": ([stale(7.0)], None),
    "zero": ([stale(0)], None),
    "too large": ([stale(MAX_SEQUENCE + 1)], None),
    "nothing was sent": ([], None),
}


@pytest.mark.parametrize(("said", "number"), CASES.values(), ids=CASES.keys())
def test_the_number_counts_only_if_the_whole_message_was_refused(said: list[Any], number: int | None) -> None:
    assert stale_sequence(said) == number


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["outcome", "reason", "sequence"]), inner),
    max_leaves=5,
)


@given(st.lists(ANYTHING | st.builds(stale, ANYTHING), max_size=4))
def test_no_answer_breaks_it_or_leads_beyond_the_limit(said: list[Any]) -> None:
    number = stale_sequence(said)
    assert number is None or 0 < number <= MAX_SEQUENCE
