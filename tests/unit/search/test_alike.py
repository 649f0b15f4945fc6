"""Groups of hashes: the fast way finds what comparing every two finds."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.search import alike


def changed(number: int, bits: list[int]) -> str:
    for bit in bits:
        number ^= 1 << bit
    return f"{number:016x}"


def grouped(hashes: list[str], agree: Callable[[int, int], bool]) -> list[list[int]]:
    return alike.groups(hashes, alike.of_first(hashes), agree)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(0, 63), max_size=13, unique=True)), max_size=12))
def test_the_same_pairs_as_by_comparing_every_two(made: list[tuple[int, list[int]]]) -> None:
    base = [0x0123456789ABCDEF, 0xFEDCBA9876543210, 0]
    hashes = [changed(base[which], bits) for which, bits in made]
    numbers = [int(text, 16) for text in hashes]
    wanted = {
        (one, other, bits)
        for one, other in combinations(range(len(numbers)), 2)
        if (bits := (numbers[one] ^ numbers[other]).bit_count()) <= alike.MOST_BITS
    }
    assert set(alike.pairs(hashes)) == wanted


def test_groups_follow_from_pair_to_pair_and_unsure_pairs_need_the_vectors() -> None:
    hashes = [changed(0, []), changed(0, [0, 1, 2]), changed(0, [0, 1, 2, *range(20, 26)]), changed(0, list(range(40, 47)))]
    asked: list[tuple[int, int]] = []

    def agree(one: int, other: int) -> bool:
        asked.append((one, other))
        return False

    assert grouped(hashes, agree) == [[0, 1, 2]]
    assert set(asked) == {(0, 3), (1, 3)}, "more than six bits: only the vectors can tell"
    assert grouped(hashes, lambda one, other: True) == [[0, 1, 2, 3]]


def test_thousands_of_other_pictures_are_no_duplicates() -> None:
    rng = random.Random(5)
    hashes = [f"{rng.getrandbits(64):016x}" for _ in range(3000)]
    hashes[2999] = changed(int(hashes[17], 16), [3, 60])
    assert grouped(hashes, lambda one, other: False) == [[17, 2999]]


def test_twenty_thousand_copies_of_one_picture_are_one_group() -> None:
    """As pairs, these are two hundred million."""
    hashes = [changed(0, []), changed(0, [5])] * 10_000
    assert grouped(hashes, lambda one, other: False) == [list(range(20_000))]


def test_too_many_pairs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "MOST_FOUND", 10)
    with pytest.raises(alike.TooManyPairs):
        grouped([changed(0, [one, other]) for one, other in combinations(range(12), 2)], lambda one, other: False)
