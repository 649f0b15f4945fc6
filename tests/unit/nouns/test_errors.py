"""Every error says what happened, whether a retry can help, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tagger import errors
from tagger.errors import ErrorInfo, TaggerError


def leaves(of: type[TaggerError]) -> Iterator[type[TaggerError]]:
    below = of.__subclasses__()
    if not below:
        yield of
    for child in below:
        yield from leaves(child)


LEAVES = sorted(
    {leaf for leaf in leaves(TaggerError) if leaf.__module__.startswith(errors.__name__)}, key=lambda leaf: leaf.__name__
)


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_error_names_its_remedy(leaf: type[TaggerError]) -> None:
    info = leaf("What happened.").info()
    for sentence in re.split(r"(?<=[.]) (?=[A-Z`t])", info.remedy):
        assert re.fullmatch(r"(tagger |[A-Z`]).*[.:…]", sentence), f"{sentence!r} is not a sentence"
        assert 3 <= len(sentence.split()) <= 25, f"{sentence!r}: one idea a sentence"
    assert not re.search(r"\b(mend|anew|at fault|nobody|somebody)\b", f"{info.title} {info.remedy}"), "the field's own words"
    assert re.fullmatch(r"[A-Z].*[^.]", info.title)
    assert info.code == info.code.lower()
    assert ErrorInfo.from_dict(info.to_dict()) == info


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_remedy_is_of_its_own_kind(leaf: type[TaggerError]) -> None:
    """The root's remedy (look into the log) is for what nobody foresaw."""
    assert leaf("x").info().remedy != TaggerError("x").info().remedy


def test_codes_are_unique() -> None:
    codes = [leaf.code for leaf in LEAVES]
    assert len(codes) == len(set(codes))
