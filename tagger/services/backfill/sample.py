"""The sample of a dry run: every so many-th asset, until there are enough. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tagger.backfill import Backfill
from tagger.cms.base import ListedAsset

SPAN = 5_000  # assets at the beginning of a library over which a sample is spread: to read on costs the CMS requests


@dataclass(frozen=True, kw_only=True)
class Sample:
    every: int  # 1: each asset
    left: int | None  # how many are still wanted; None: all
    seen: int  # assets of earlier pages

    @classmethod
    def of(cls, backfill: Backfill) -> Sample:
        size, counts = backfill.spec.get("sample"), backfill.counts
        if not size:
            return cls(every=1, left=None, seen=counts.get("seen", 0))
        taken = counts.get("fed", 0) + sum(backfill.skipped.values())
        every = max(1, min(int(backfill.spec["total"]), SPAN) // size)
        return cls(every=every, left=size - taken, seen=counts.get("seen", 0))

    def of_page(self, page: Sequence[ListedAsset]) -> list[ListedAsset]:
        chosen = [asset for number, asset in enumerate(page, start=self.seen) if number % self.every == 0]
        return chosen if self.left is None else chosen[: max(0, self.left)]

    def full(self, length: int) -> bool:
        """Whether the sample is complete after a page of this length."""
        if self.left is None:
            return False
        return len(range(-(-self.seen // self.every) * self.every, self.seen + length, self.every)) >= self.left
