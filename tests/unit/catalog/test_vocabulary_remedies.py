"""Every complaint about a vocabulary or profile file names its place, its reason and what to do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.catalog import profile, vocabulary_file
from tagger.errors import BadRequest, ProfileInvalid, VocabularyInvalid

GOOD = vocabulary_file.dump(vocabulary_file.built_in("travel")).splitlines()
BAD_LINES = [
    *("  ]", "\tx: 1", "vocabulary: 3", "    threshold: 2", "  terms:", "    labels: []", "deny: cat", "&a *a"),
    "x: !!python/object 1",
]


def complaints(err: BadRequest) -> None:
    info = err.info()
    assert len(info.remedy.split()) >= 2, info
    assert info.detail
    for place in info.errors:
        assert re.match(r"line \d+, column \d+: .+[.?`] .+", place.detail), place.detail
        assert place.pointer == "" or place.pointer.startswith("/")


ONE = "vocabulary: v\nversion: 1\ncategories: {{c: {{terms: {{cat: {{labels: {labels}}}}}}}}}\n"


@pytest.mark.parametrize("spelling", ["pt-BR", "pt_BR", "PT-br"])
def test_a_locale_is_read_in_every_spelling(spelling: str) -> None:
    known = vocabulary_file.parse(ONE.format(labels="{" + spelling + ": gato}"))
    assert [term.labels for _, term in known] == [{"pt-BR": "gato"}]


@pytest.mark.parametrize("labels", ["{english: cat}", "{pt_BR: gato, pt-BR: gata}", "{'': cat}", "{en US: cat}"])
def test_what_is_no_locale_or_comes_twice_is_named(labels: str) -> None:
    with pytest.raises(VocabularyInvalid) as caught:
        vocabulary_file.parse(ONE.format(labels=labels))
    complaints(caught.value)


@given(st.integers(0, len(GOOD) - 1), st.sampled_from(BAD_LINES) | st.text(max_size=30), st.booleans())
def test_a_damaged_vocabulary_is_read_or_refused_with_remedies(at: int, line: str, instead: bool) -> None:
    damaged = [*GOOD[:at], line, *GOOD[at + instead :]]
    try:
        vocabulary_file.parse("\n".join(damaged))
    except VocabularyInvalid as err:
        complaints(err)


@pytest.mark.parametrize(
    "line", ["limits: 3", "max_tags: many", "check: {no: perhaps}", "text: {x: 1}", "locales: []", "deny: 3"]
)
def test_a_wrong_profile_is_refused_with_remedies(line: str) -> None:
    with pytest.raises(ProfileInvalid) as caught:
        profile.parse(f"profile: mine\nversion: 1\nvocabulary: general\ninstruction: x\n{line}\n")
    complaints(caught.value)
    assert "line 5" in caught.value.info().detail
