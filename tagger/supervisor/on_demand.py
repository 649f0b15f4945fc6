"""Tag workers that live only while their lane has jobs: the solo worker, and under `tagger up` those of backfills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from tagger.job import Lane
from tagger.ledger import LaneCounts
from tagger.supervisor.process import Child

log = structlog.get_logger()

# A worker takes seconds to load its models. A backfill's is kept longer: folders may be fed slowly.
QUIET_SECONDS: Mapping[Lane, float] = {"solo": 15.0, "backfill": 30.0}


@dataclass
class OnDemand:
    """Decides which of these workers should run. The supervisor starts those with `restart`, and no others."""

    children: Sequence[Child]
    _busy: dict[Lane, float] = field(default_factory=dict)  # when the lane last had jobs, monotonic

    def update(self, counts: Mapping[Lane, LaneCounts], now: float) -> None:
        for lane, quiet in QUIET_SECONDS.items():
            workers = [child for child in self.children if child.on_demand == lane]
            if not workers:
                continue
            wanted = _work(lane, counts[lane])
            if wanted:
                self._busy[lane] = now
                for child in workers[:wanted]:
                    child.restart = True
            elif now - self._busy.get(lane, float("-inf")) > quiet:
                for child in workers:
                    _let_go(child)


def _work(lane: Lane, counts: LaneCounts) -> int:
    """The number of workers that can have work. A solo worker waits for retries too: it has to end what it began alone."""
    return counts.claimable + counts.running + (counts.waiting if lane == "solo" else 0)


def _let_go(child: Child) -> None:
    if child.restart:
        log.info("stack.let_go", child=child.name)
        child.restart = False
        if child.running and child.process is not None:
            child.process.terminate()  # it finishes what it runs; a job that comes now is hinted again, and starts it anew
