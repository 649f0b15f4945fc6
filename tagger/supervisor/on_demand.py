"""Tag workers that live only while their lane needs them: the solo worker and, under `tagger up`, those of backfills and all
upload workers but the first.

An idle worker with the lite models holds 150 to 220 MiB. One upload after the other needs one worker. As soon as there are two
uploads at a time, the next worker starts, and helps when it has loaded its models. It starts for a single upload, too, if the
worker that always runs is down or takes no jobs.
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
CLAIMED_WITHIN_MS = 2_000  # an upload that waits for longer is not taken by the worker that always runs
QUIET_SECONDS: Mapping[Lane, float] = {"solo": 15.0, "backfill": 30.0, "upload": 120.0}


@dataclass
class OnDemand:
    """Decides which workers on demand should run. The supervisor starts those with `restart`, and no others."""

    children: Sequence[Child]  # of the stack: also those that always run
    _busy: dict[Lane, float] = field(default_factory=dict)  # when the lane last needed these workers, monotonic

    def update(self, counts: Mapping[Lane, LaneCounts], now: float, now_ms: int) -> None:
        """`now`: monotonic; `now_ms`: by the ledger's clock."""
        for lane, quiet in QUIET_SECONDS.items():
            workers = [child for child in self.children if child.on_demand == lane]
            if not workers:
                continue
            wanted = _jobs(lane, counts[lane])
            if lane == "upload" and wanted and self._one_is_taken_care_of(counts[lane], now_ms):
                wanted -= 1
            if wanted:
                self._busy[lane] = now
                for child in workers[:wanted]:
                    child.restart = True
            elif now - self._busy.get(lane, float("-inf")) > quiet:
                for child in workers:
                    _let_go(child)

    def _one_is_taken_care_of(self, uploads: LaneCounts, now_ms: int) -> bool:
        """Whether the worker of uploads that always runs does so, and takes jobs."""
        oldest = uploads.oldest_claimable_ms
        if oldest is not None and now_ms - oldest > CLAIMED_WITHIN_MS:
            return False
        always = (child for child in self.children if child.lane == "upload" and child.on_demand is None)
        return any(child.running and child.stopped is None for child in always)


def _jobs(lane: Lane, counts: LaneCounts) -> int:
    """The number of jobs that workers of the lane can have.

    A solo worker waits for retries too: it has to end what it began alone.
    """
    return counts.claimable + counts.running + (counts.waiting if lane == "solo" else 0)


def _let_go(child: Child) -> None:
    if child.restart:
        log.info("stack.let_go", child=child.name)
        child.restart = False
        if child.running and child.process is not None:
            child.process.terminate()  # it finishes what it runs; a job that comes now is hinted again, and starts it anew
