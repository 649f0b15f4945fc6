"""From a hint to a claimed job: one hint, one job, whichever is due. Without hints, from the ledger (ledger_poll.py)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import structlog

from tagger.errors import Unavailable
from tagger.job import Claim, Lane
from workers.pipeline.deps import Settlement

log = structlog.get_logger()

GIVE_UP_SECONDS = 10.0  # a hint is not worth more waiting: the reconciler sends another once the ledger is back
WAIT_SECONDS = 0.5


class Claims(Protocol):
    def claim(self, *, lane: Lane, worker_id: str, lease_ms: int, job_id: str | None) -> Claim | None: ...


class Taker:
    """Called with each hint's job id, in a task thread. Claims that job, or else the oldest due one of the lane."""

    def __init__(
        self,
        claims: Claims,
        describe: Callable[[Claim], Settlement],
        *,
        lane: Lane,
        worker_id: str,
        lease_ms: int,
        ready: Callable[[], bool],
        stopping: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
        passed_over: Callable[[str], None] = lambda _job_id: None,
        threads: int = 1,
    ) -> None:
        """`ready`: whether the models work; while they do not, nothing is claimed. `around`: entered for each hint, before its
        claim; it may wait. `passed_over`: called with the job that a hint named when it could not be claimed, after the work.
        `threads`: images that this worker may hold at once, wherever it hears of them.
        """
        self._claims = claims
        self._describe = describe
        self._lane = lane
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._ready = ready
        self._stopping = stopping
        self._monotonic = monotonic
        self._around = around
        self._passed_over = passed_over
        self._places = threading.BoundedSemaphore(threads)
        self._hinted = monotonic()  # when the last hint came

    def __call__(self, job_id: str) -> None:
        self._hinted = self._monotonic()
        with self._places:
            self._take(job_id)

    def unhinted(self) -> bool:
        """Takes a job that is due, of which no hint told. False: there is none, or every place is taken."""
        if not self._places.acquire(blocking=False):
            return False
        try:
            return self._take(None)
        finally:
            self._places.release()

    def quiet(self, seconds: float) -> bool:
        """Whether no hint came for so long."""
        return self._monotonic() - self._hinted > seconds

    def _take(self, job_id: str | None) -> bool:
        with self._around():
            asked, claim = self._claim(job_id)
            if claim is not None:
                with structlog.contextvars.bound_contextvars(lane=self._lane, worker=self._worker_id):  # threads inherit none
                    self._describe(claim)
        if job_id is not None and asked and (claim is None or claim.job_id != job_id):
            self._passed_over(job_id)
        return claim is not None

    def _claim(self, job_id: str | None) -> tuple[bool, Claim | None]:
        """Whether the ledger was asked, and the claim. None: nothing is due, or it was not to be had in time."""
        deadline = self._monotonic() + GIVE_UP_SECONDS
        while not self._stopping.is_set() and self._monotonic() < deadline:
            if self._ready():
                try:
                    found = self._claims.claim(lane=self._lane, worker_id=self._worker_id, lease_ms=self._lease_ms, job_id=job_id)
                    return True, found
                except Unavailable as err:
                    log.warning("claim.failed", hint=job_id, error=str(err))
            self._stopping.wait(WAIT_SECONDS)
        return False, None
