"""Backfill: a campaign over a library of assets. It feeds jobs page by page; while it is paused, no job of it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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
    kind: str  # what is walked: "folder"; later a CMS reader
    spec: Mapping[str, Any]  # what the reader of that kind needs
    cursor: str | None = None  # where the reader goes on; None: at the beginning
    exhausted: bool = False  # the reader has reached the end
    status: BackfillStatus = "running"
    window: int = 5_000  # most jobs that wait unclaimed
    started_ms: int
    # fed (rows handed over), known (of those, jobs that existed before), then a number per job status; undelivered: described,
    # but the delivery is dead; set_aside: accepted, but not to be claimed while the backfill is paused
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def room(self) -> int:
        """How many jobs may be fed now."""
        return max(0, self.window - self.counts.get("accepted", 0))

    @property
    def finished(self) -> bool:
        """Nothing is left to feed, and every job has ended or can go no further without a person."""
        count = self.counts.get
        open_jobs = count("accepted", 0) + count("running", 0) + count("described", 0)
        return self.exhausted and open_jobs <= count("undelivered", 0)
