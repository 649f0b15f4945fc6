"""The reconciler frees the jobs of dead workers, sends missing hints, feeds backfills and deletes old rows.

Any number of reconcilers may run at the same time. In each period the ledger gives each chore to one of them. A chore that fails
is logged and runs again in its next period. It never stops the other chores, and the process does not end if a service is away.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context  # for the log: the worker
from dataclasses import dataclass
from typing import Protocol

import structlog

from tagger.errors import BrokerUnavailable, LedgerUnavailable, Unavailable
from tagger.job import LANES, Lane
from tagger.ledger import Expired, LaneCounts
from tagger.ledger.claims.workers import LEASE_MS

log = structlog.get_logger()

SHORTEST_PAUSE_SECONDS = 0.05  # leaves time for other writers, also if chores take longer than their period
LONGEST_PAUSE_SECONDS = 1.0  # the clock may be set in the meantime
JOIN_SECONDS = 10.0  # less than the grace period of a worker process
GAP_SECONDS = 3.0  # after such a pause of the loop, this process was stopped, and perhaps the workers too
PAGE = 50  # hints between two looks at the queue
SHORT_TICKS = 2  # a lane gets hints after it was short for this many ticks in a row, because hints may still be on their way


class ReconcilerLedger(Protocol):
    """The methods of the ledger that the reconciler uses."""

    def claim_tick(self, name: str, every_ms: int) -> bool: ...
    def expire_workers(self, lease_ms: int = ...) -> list[Expired]: ...
    def expire_deadlines(self) -> list[str]: ...
    def lane_counts(self) -> dict[Lane, LaneCounts]: ...
    def note_short(self, lane: Lane, short: bool) -> int: ...
    def to_hint(self, lane: Lane, limit: int) -> list[str]: ...


class ReconcilerHints(Protocol):
    def depth(self, lane: Lane) -> int: ...
    def send_many(self, job_ids: list[str], lane: Lane, *, front: bool = ...) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Chore:
    """One recurring piece of work."""

    name: str
    every_ms: int
    run: Callable[[], object]
    everywhere: bool = False  # True: in every reconciler; False: in one of them per period
    apart: bool = False  # in a thread of its own, because it may take long and no other chore must wait


class ChoreRunner:
    """Runs each chore once per period: in this process, or, for most chores, in one process of all."""

    def __init__(
        self,
        ledger: ReconcilerLedger,
        chores: Sequence[Chore],
        clock: Callable[[], float],
        on_outage: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._chores = chores
        self._clock = clock
        self._on_outage = on_outage
        self._due: dict[str, float] = {}

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        while not stop.is_set():
            self.turn()
            stop.wait(self.pause())

    def pause(self) -> float:
        """Seconds until the next chore is due, within bounds."""
        now = self._clock()
        soonest = min((self._due.get(chore.name, now) for chore in self._chores), default=float("inf"))
        return min(max(SHORTEST_PAUSE_SECONDS, soonest - now), LONGEST_PAUSE_SECONDS)

    def turn(self) -> None:
        """Runs every due chore."""
        now = self._clock()
        for chore in self._chores:
            due = self._due.get(chore.name, now)
            if not now < due <= now + max(1.0, chore.every_ms / 1000):  # later than that: the clock was set back
                self._try(chore)

    def _try(self, chore: Chore) -> None:
        period = chore.every_ms / 1000
        try:
            mine = chore.everywhere or self._ledger.claim_tick(chore.name, chore.every_ms)
            # Who lost the turn asks again soon: the winner may die. The period counts from behind the ledger's tick, which may
            # have waited: whoever asks too early is refused.
            self._due[chore.name] = self._clock() + (period if mine else min(period, 4.0) / 4)
            if mine:
                chore.run()
        except LedgerUnavailable as err:
            self._on_outage()
            self._failed(chore, err)
        except Unavailable as err:
            self._failed(chore, err)
        except Exception as err:
            log.exception("chore.failed", chore=chore.name, error=type(err).__name__)
            self._due[chore.name] = self._clock() + max(1.0, period)

    def _failed(self, chore: Chore, err: Unavailable) -> None:
        log.warning("chore.postponed", chore=chore.name, code=err.code, error=str(err))
        self._due[chore.name] = self._clock() + 1.0


@dataclass(frozen=True, kw_only=True)
class ReconcilerHooks:
    """Functions that are told what was done."""

    on_top_up: Callable[[Lane, int], None] = lambda _lane, _count: None  # how many hints were sent
    on_expired: Callable[[Expired], None] = lambda _expired: None  # of each process that was found dead


class Reconciler:
    def __init__(
        self,
        ledger: ReconcilerLedger,
        hints: ReconcilerHints,
        *,
        window: int,
        chores: Sequence[Chore] = (),
        lease_ms: int = LEASE_MS,
        clock: Callable[[], float] = time.time,  # counts while the machine is suspended, as the ledger's clock does
        hooks: ReconcilerHooks | None = None,
    ) -> None:
        self.ledger = ledger
        self.hints = hints
        self.window = window
        self.lease_ms = lease_ms
        own = (Chore(name="expire", every_ms=1_000, run=self.expire), Chore(name="top_up", every_ms=1_000, run=self.top_up))
        together = [*own, *(chore for chore in chores if not chore.apart)]
        self._together = ChoreRunner(ledger, together, clock, self._be_quiet)
        self._apart = {chore.name: ChoreRunner(ledger, [chore], clock) for chore in chores if chore.apart}
        self._clock = clock
        self._hooks = hooks or ReconcilerHooks()
        self._last_loop = clock()
        self._quiet_until = self._last_loop + lease_ms / 1000

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set. Then a chore with its own thread has some time to finish."""
        threads = [
            threading.Thread(target=copy_context().run, args=(runner.run, stop), name=f"chore-{name}", daemon=True)
            for name, runner in self._apart.items()
        ]
        for thread in threads:
            thread.start()
        while not stop.is_set():
            self.turn()
            stop.wait(self._together.pause())
        last = time.monotonic() + JOIN_SECONDS
        for thread in threads:
            thread.join(max(0.0, last - time.monotonic()))
            if thread.is_alive():
                log.warning("chore.abandoned", thread=thread.name)

    def turn(self) -> None:
        """Runs every due chore, except those with a thread of their own."""
        gap = self._look_at_clock()
        if gap > GAP_SECONDS:
            log.warning("reconciler.paused", seconds=round(gap, 1))
            self._be_quiet()
        self._together.turn()
        self._look_at_clock()  # a slow chore is not a pause

    def _look_at_clock(self) -> float:
        """Seconds since the last look. If the clock was set back, no time passed: the ledger decides which workers live
        (ledger/claims/silence.py)."""
        now = self._clock()
        gap, self._last_loop = now - self._last_loop, now
        self._quiet_until += min(0.0, gap)
        return gap

    def _be_quiet(self) -> None:
        """After an outage of the ledger or a sleep of the machine, wait until living workers sent a heartbeat."""
        self._quiet_until = self._clock() + self.lease_ms / 1000

    # --- the chores of this module ---

    def expire(self) -> None:
        """Frees the jobs of dead workers and jobs past their deadline. Sends hints for them at once."""
        if self._clock() < self._quiet_until:
            return
        expired = self.ledger.expire_workers(self.lease_ms)
        for worker in expired:
            log.warning(
                "worker.expired", worker=worker.worker_id, silent_ms=worker.silent_ms, freed=len(worker.freed), dead=worker.dead
            )
            self._hooks.on_expired(worker)
        overdue = self.ledger.expire_deadlines()
        if overdue:
            log.warning("jobs.expired", jobs=overdue)
        self._tell_of([job for worker in expired for job in worker.dead] + overdue)
        for lane, freed in _by_lane(expired).items():
            # they already waited, and a queue that seems long enough holds hints of other jobs
            try:
                self.hints.send_many(freed, lane, front=True)
            except BrokerUnavailable as err:  # the next top-up counts them
                log.warning("hints.send_failed", lane=lane, count=len(freed), error=str(err))
        if any(worker.freed for worker in expired):
            self.top_up(patient=False)

    def _tell_of(self, jobs: list[str]) -> None:
        """Sends a hint for jobs that ended or wait without a worker. The worker that takes it cannot claim the job and informs
        Flower."""
        with contextlib.suppress(BrokerUnavailable):
            self.hints.send_many(jobs, "upload")

    def top_up(self, *, patient: bool = True) -> Mapping[Lane, int]:
        """Per lane, sends as many hints as are missing below min(window, claimable jobs). Returns how many.

        `patient`: only lanes that were short two ticks running, since hints of new jobs may just be on their way.
        """
        sent: dict[Lane, int] = {}
        counts = self.ledger.lane_counts()
        for lane in LANES:
            wanted = min(self.window, counts[lane].claimable)
            missing = wanted - self.hints.depth(lane)
            ticks = self.ledger.note_short(lane, missing > 0) if patient else SHORT_TICKS
            if missing <= 0 or ticks < SHORT_TICKS:
                continue
            sent[lane] = self._fill(lane, self.ledger.to_hint(lane, missing), wanted)
            self._hooks.on_top_up(lane, sent[lane])
            log.info("hints.sent", lane=lane, count=sent[lane])
        return sent

    def _fill(self, lane: Lane, jobs: list[str], wanted: int) -> int:
        """Sends hints until this many wait. Returns how many it sent. It works page by page; if this takes over a second, another
        reconciler may have the next turn."""
        for first in range(0, len(jobs), PAGE):
            if first and self.hints.depth(lane) >= wanted:
                return first
            self.hints.send_many(jobs[first : first + PAGE], lane)
        return len(jobs)


def _by_lane(expired: Sequence[Expired]) -> Mapping[Lane, list[str]]:
    """The freed jobs by their new lane. A job with two crashes runs alone."""
    lanes: dict[Lane, list[str]] = {}
    for worker in expired:
        for job_id in worker.freed:
            lane: Lane | None = "solo" if job_id in worker.alone else worker.lane
            if lane is not None:
                lanes.setdefault(lane, []).append(job_id)
    return lanes
