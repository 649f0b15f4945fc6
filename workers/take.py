"""From a hint to a claimed job: one hint, one job, whichever is due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import structlog

from tagger.errors import Unavailable
from tagger.job import Claim, Lane
from workers.kit import End

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
        describe: Callable[[Claim], End],
        *,
        lane: Lane,
        worker_id: str,
        lease_ms: int,
        ready: Callable[[], bool],
        stopping: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
        passed_over: Callable[[str], None] = lambda _job_id: None,
    ) -> None:
        """`ready`: whether the models work; while they do not, nothing is claimed. `around`: entered for each hint, before its
        claim; it may wait. `passed_over`: called with the job that a hint named when it could not be claimed, after the work.
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

    def __call__(self, job_id: str) -> None:
        with self._around():
            asked, claim = self._claim(job_id)
            if claim is not None:
                with structlog.contextvars.bound_contextvars(lane=self._lane, worker=self._worker_id):  # threads inherit none
                    self._describe(claim)
        if asked and (claim is None or claim.job_id != job_id):
            self._passed_over(job_id)

    def _claim(self, job_id: str) -> tuple[bool, Claim | None]:
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
