"""Backfill: a campaign over a library of assets. It feeds jobs page by page; while it is paused, no job of it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tagger.pace import Pace

UNDO = "undo"  # the kind of a backfill that undoes another one
SKIP = "skip "  # begins the counters of skipped assets

BackfillStatus = Literal["running", "paused", "done", "cancelled"]

MOVES: Mapping[BackfillStatus, frozenset[BackfillStatus]] = {
    "running": frozenset({"paused", "done", "cancelled"}),
    "paused": frozenset({"running", "cancelled"}),
    "done": frozenset(),
    "cancelled": frozenset(),
}


def may_move(old: BackfillStatus, new: BackfillStatus) -> bool:
    return new in MOVES[old]


@dataclass(frozen=True, kw_only=True)
class Backfill:
    id: str
    site_id: str
    kind: str  # a key of tagger/cms/registry.py: whose reader lists the assets; `undo`: it undoes another backfill
    spec: Mapping[str, Any]  # what the reader of that kind needs, and what is asked for
    cursor: str | None = None  # where the reader goes on; None: at the beginning
    exhausted: bool = False  # the reader has reached the end
    status: BackfillStatus = "running"
    window: int = 5_000  # most jobs that wait unclaimed
    started_ms: int
    pace: Pace = field(default_factory=Pace)
    # seen (assets listed), fed (rows handed over), known (of those, jobs that existed before), `skip …` per reason, then a number
    # per job status; undelivered: described, but the delivery is dead; set_aside: accepted, but not to be claimed while the
    # backfill is paused; review, suppress: described, nothing was written; a number per outcome of what was written; reverting:
    # messages of an `undo` that are on their way
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def undoes(self) -> str | None:
        """The backfill that this one undoes."""
        return self.spec.get("of") if self.kind == UNDO else None

    @property
    def rehearses(self) -> bool:
        """A dry run: the images are described, and nothing is written."""
        return bool(self.spec.get("dry_run"))

    @property
    def skipped(self) -> dict[str, int]:
        """Reason → number of assets that were left alone."""
        return {word.removeprefix(SKIP): number for word, number in self.counts.items() if word.startswith(SKIP) and number}

    @property
    def room(self) -> int:
        """How many jobs may be fed now."""
        return max(0, self.window - self.counts.get("accepted", 0) - self.counts.get("reverting", 0))

    @property
    def unended(self) -> int:
        """How many of its images are not described yet, or have a message that is not delivered yet."""
        count = self.counts.get
        open_jobs = count("accepted", 0) + count("running", 0) + count("described", 0) + count("reverting", 0)
        return max(0, open_jobs - count("undelivered", 0))

    @property
    def finished(self) -> bool:
        """Nothing is left to feed, and every job has ended or can go no further without a person."""
        return self.exhausted and not self.unended


@dataclass(frozen=True, kw_only=True)
class BackfillItem:
    """What a backfill did with one asset."""

    asset_id: str
    job_id: str | None
    skipped: str  # why it was left alone; empty: it was not
    present: Mapping[str, Any] | None = None  # a dry run: what stood in the CMS
