"""Tag workers that live only while their lane needs them: the solo worker and, under `tagger up`, those of backfills and all
upload workers but the first.

An idle worker with the lite models holds 150 to 220 MiB. One upload after the other needs one worker. As soon as there are two
uploads at a time, the next worker starts, and helps when it has loaded its models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from tagger.job import Lane
from tagger.ledger import LaneCounts
from tagger.supervisor.process import Child

log = structlog.get_logger()

# A worker takes seconds to load its models. A backfill's is kept longer, because folders may be fed slowly; an upload's is kept
# longest, because people wait for it and editors pause between two batches.
QUIET_SECONDS: Mapping[Lane, float] = {"solo": 15.0, "backfill": 30.0, "upload": 120.0}


@dataclass
class OnDemand:
    """Decides which of these workers should run. The supervisor starts those with `restart`, and no others."""

    children: Sequence[Child]
    _busy: dict[Lane, float] = field(default_factory=dict)  # when the lane last needed these workers, monotonic

    def update(self, counts: Mapping[Lane, LaneCounts], now: float) -> None:
        for lane, quiet in QUIET_SECONDS.items():
            workers = [child for child in self.children if child.on_demand == lane]
            if not workers:
                continue
            wanted = _wanted(lane, counts[lane])
            if wanted:
                self._busy[lane] = now
                for child in workers[:wanted]:
                    child.restart = True
            elif now - self._busy.get(lane, float("-inf")) > quiet:
                for child in workers:
                    _let_go(child)


def _wanted(lane: Lane, counts: LaneCounts) -> int:
    """The number of workers on demand that can have work.

    A solo worker waits for retries too: it has to end what it began alone. One upload is for the worker that always runs.
    """
    jobs = counts.claimable + counts.running
    if lane == "upload":
        return max(0, jobs - 1)
    return jobs + (counts.waiting if lane == "solo" else 0)


def _let_go(child: Child) -> None:
    if child.restart:
        log.info("stack.let_go", child=child.name)
        child.restart = False
        if child.running and child.process is not None:
            child.process.terminate()  # it finishes what it runs; a job that comes now is hinted again, and starts it anew
