"""Groups of pictures that look alike, by their perceptual hashes and, where these are not sure, by their vectors.

Two hashes that differ in at most eleven bits agree in one of their four quarters but for two bits. So only those that do are
compared: every two of 100,000 hashes would be five thousand million comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]  # [n, 2]

SURE_BITS = 6  # so many bits or fewer differ: near-duplicates
MOST_BITS = 10  # so many or fewer: near-duplicates if the vectors agree
LEAST_COSINE = 0.95
QUARTERS, QUARTER_BITS = 4, 16
FLIPS = [flip for flip in range(1 << QUARTER_BITS) if flip.bit_count() <= 2]  # 137
MOST_FOUND = 300_000  # pairs of different hashes in all: 3.4 million took 26 s
MOST_PAIRS = 5_000_000  # at once


class TooManyPairs(Exception):
    """More than MOST_FOUND hashes are almost, and not quite, the same."""


Near = Sequence[tuple[int, int, int]]


def groups(hashes: Sequence[str], near: Near, agree: Callable[[int, int], bool]) -> list[list[int]]:
    """Indexes of hashes, grouped; only groups of two or more, each in order.

    `near`: the pairs of `of_first`. `agree`: whether the vectors of two of them are alike.
    """
    parent = list(range(len(hashes)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    for first, second, bits in near:
        one, other = root(first), root(second)
        if one != other and (bits <= SURE_BITS or agree(first, second)):
            parent[max(one, other)] = min(one, other)
    first_of = _first_of(hashes)
    found: dict[int, list[int]] = {}
    for n, text in enumerate(hashes):
        found.setdefault(root(first_of[text]), []).append(n)
    return [group for group in found.values() if len(group) > 1]


def of_first(hashes: Sequence[str]) -> Near:
    """As `pairs`, for the first image of each hash: a thousand copies of one picture are half a million pairs.

    Errors: TooManyPairs.
    """
    first_of = _first_of(hashes)
    indexes = list(first_of.values())
    return [(indexes[one], indexes[other], bits) for one, other, bits in pairs(list(first_of))]


def _first_of(hashes: Sequence[str]) -> dict[str, int]:
    first_of: dict[str, int] = {}
    for n, text in enumerate(hashes):
        first_of.setdefault(text, n)
    return first_of


def pairs(hashes: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Two indexes, and in how many bits their hashes differ: at most MOST_BITS. The most alike first.

    Errors: TooManyPairs.
    """
    numbers = np.array([int(text, 16) for text in hashes], np.uint64)
    if len(numbers) < 2:
        return
    candidates, count = [], 0
    for part in (part for quarter in range(QUARTERS) for part in _near(numbers, quarter)):
        candidates.append(part)
        count += len(part)
        if count > QUARTERS * MOST_FOUND:  # one pair is found in up to four quarters
            raise TooManyPairs
    every = np.unique(np.concatenate(candidates), axis=0) if candidates else np.empty((0, 2), np.int64)
    bits = np.bitwise_count(numbers[every[:, 0]] ^ numbers[every[:, 1]])
    chosen = np.flatnonzero(bits <= MOST_BITS)
    for n in chosen[np.argsort(bits[chosen], kind="stable")]:
        yield int(every[n, 0]), int(every[n, 1]), int(bits[n])


def _near(numbers: Hashes, quarter: int) -> Iterator[Pairs]:
    """Pairs that differ in at most MOST_BITS, of those that agree in this quarter but for two bits."""
    keys = ((numbers >> np.uint64(quarter * QUARTER_BITS)) & np.uint64(0xFFFF)).astype(np.int64)
    order = np.argsort(keys, kind="stable")
    begins = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=1 << QUARTER_BITS))])  # of each key, among the ordered
    for flip in FLIPS:
        wanted = keys ^ flip
        starts = begins[wanted]
        counts = begins[wanted + 1] - starts
        if not counts.any():
            continue
        for low, high in _slices(counts):
            mine = counts[low:high]
            first = np.repeat(np.arange(low, high), mine)
            offsets = np.arange(int(mine.sum())) - np.repeat(np.cumsum(mine) - mine, mine)
            second = order[np.repeat(starts[low:high], mine) + offsets]
            close = (first < second) & (np.bitwise_count(numbers[first] ^ numbers[second]) <= MOST_BITS)
            yield np.stack([first[close], second[close]], axis=1)


def _slices(counts: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of rows with at most MOST_PAIRS pairs, or of one row."""
    low = 0
    sums = np.cumsum(counts)
    while low < len(counts):
        before = int(sums[low - 1]) if low else 0
        high = max(low + 1, int(np.searchsorted(sums, before + MOST_PAIRS, "right")))
        yield low, high
        low = high
