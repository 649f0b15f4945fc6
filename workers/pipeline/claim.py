"""Claims jobs: one job per hint, and without hints the jobs that the ledger has (ledger_poll.py)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import structlog

from tagger.errors import Unavailable
from tagger.job import Claim, Lane
from workers.pipeline.deps import Settlement

log = structlog.get_logger()

GIVE_UP_SECONDS = 10.0  # then the hint is dropped: the reconciler sends another when the ledger is back
RETRY_SECONDS = 0.5


class Claims(Protocol):
    def claim(self, *, lane: Lane, worker_id: str, lease_ms: int, job_id: str | None) -> Claim | None: ...


@dataclass(frozen=True, kw_only=True)
class ClaimTerms:
    """For whom jobs are claimed, and how many at once."""

    lane: Lane
    worker_id: str
    lease_ms: int
    threads: int = 1  # images that this worker may process at once, with hints or without


@dataclass(frozen=True, kw_only=True)
class ClaimHooks:
    """Functions that are called around each claim."""

    ready: Callable[[], bool]  # whether the models work; until they do, nothing is claimed
    around: Callable[[], AbstractContextManager[None]] = nullcontext  # entered for each hint, before its claim; it may wait
    not_claimed: Callable[[str], None] = lambda _job_id: None  # the job that a hint named could not be claimed


class Claimer:
    """Called in a task thread with each hint's job id. Claims that job, or else the oldest due job of the lane."""

    def __init__(
        self,
        claims: Claims,
        describe: Callable[[Claim], Settlement],
        terms: ClaimTerms,
        hooks: ClaimHooks,
        *,
        stopping: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._claims = claims
        self._describe = describe
        self._terms = terms
        self._hooks = hooks
        self._stopping = stopping
        self._monotonic = monotonic
        self._slots = threading.BoundedSemaphore(terms.threads)
        self._last_hint = monotonic()

    def __call__(self, job_id: str) -> None:
        self._last_hint = self._monotonic()
        with self._slots:
            self._claim_and_describe(job_id)

    def claim_due(self) -> bool:
        """Claims and describes one due job without a hint. False: no job is due, or every slot is in use."""
        if not self._slots.acquire(blocking=False):
            return False
        try:
            return self._claim_and_describe(None)
        finally:
            self._slots.release()

    def no_hints_for(self, seconds: float) -> bool:
        """Whether the last hint came more than `seconds` ago."""
        return self._monotonic() - self._last_hint > seconds

    def _claim_and_describe(self, job_id: str | None) -> bool:
        with self._hooks.around():
            answered, claim = self._claim(job_id)
            if claim is not None:
                with structlog.contextvars.bound_contextvars(**self._log_keys(claim)):  # threads do not inherit them
                    self._describe(claim)
        if job_id is not None and answered and (claim is None or claim.job_id != job_id):
            self._hooks.not_claimed(job_id)
        return claim is not None

    def _log_keys(self, claim: Claim) -> dict[str, str]:
        """Ids that every log line of this image has."""
        asset = {"site": claim.request.site_id, "asset": claim.request.asset_id}
        return {"lane": self._terms.lane, "worker": self._terms.worker_id, "job": claim.job_id, **asset}

    def _claim(self, job_id: str | None) -> tuple[bool, Claim | None]:
        """Whether the ledger answered in time, and the claim. None: no job is due, or the ledger did not answer."""
        deadline = self._monotonic() + GIVE_UP_SECONDS
        while not self._stopping.is_set() and self._monotonic() < deadline:
            if self._hooks.ready():
                try:
                    terms = self._terms
                    return True, self._claims.claim(
                        lane=terms.lane, worker_id=terms.worker_id, lease_ms=terms.lease_ms, job_id=job_id
                    )
                except Unavailable as err:
                    log.warning("claim.failed", job=job_id, error=str(err))
            self._stopping.wait(RETRY_SECONDS)
        return False, None
