"""What Flower is told: one task per job, in the state that the ledger knows.

A hint named for one job may bring another job to a worker, so Celery's own events would tell of the wrong image, and of success
whatever became of it. They are off. Instead whoever claims a job says so under that job's id: with its site and asset, then
`succeeded`, `failed` (dead), `retried` (it waits for another attempt) or `revoked` (superseded, cancelled).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tagger.errors import LedgerUnavailable, NotFound
from tagger.job import Claim, Job, JobRequest, JobStatus
from tagger.queue.hints import BROKER_ERRORS, TASK
from workers.pipeline.deps import End

MOST_EVENTS = 3_000  # that are kept while the broker is away; then the oldest go
UNTOLD: frozenset[JobStatus] = frozenset({"running", "described", "done"})  # whoever claimed the job tells of it
REVOKED = {"terminated": False, "signum": None, "expired": False}

Fields = Mapping[str, Any]


class Dispatcher(Protocol):
    """Celery's dispatcher of events."""

    def send(self, type: str, **fields: Any) -> object: ...
    def flush(self) -> object: ...


class Reads(Protocol):
    """What is asked of the ledger."""

    def job(self, job_id: str) -> Job: ...
    def job_status(self, job_id: str) -> JobStatus: ...


class TaskEvents:
    """Gathers events from all task threads; the consumer's loop sends them together. Thread-safe; raises nothing."""

    def __init__(self, ledger: Reads, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._clock = clock
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MOST_EVENTS)
        self._lock = threading.Lock()
        self._dispatcher: Dispatcher | None = None

    # --- what happens to jobs ---

    def begun(self, claim: Claim) -> None:
        """This worker has claimed the job."""
        self._received(claim.job_id, claim.request, claim.attempts)
        self._add("task-started", claim.job_id)

    def ended(self, claim: Claim, end: End, seconds: float) -> None:
        """This worker is done with its claim, and has written the end into the ledger."""
        if end == "described":
            self._add("task-succeeded", claim.job_id, result=end, runtime=seconds)
            return
        try:
            job = self._ledger.job(claim.job_id)
        except (LedgerUnavailable, NotFound):
            self._add("task-retried", claim.job_id, exception="ledger_unavailable: what became of it is not known here.")
            return
        self._tell(job, given_back=end == "released")

    def passed_over(self, job_id: str) -> None:
        """A hint named this job, but it was not to be claimed: perhaps because it has ended without any worker."""
        try:
            if self._ledger.job_status(job_id) in UNTOLD:
                return
            job = self._ledger.job(job_id)
        except (LedgerUnavailable, NotFound):
            return
        if event_of(job) is not None:
            self._received(job.id, job.request, job.attempts)
            self._tell(job)

    def _tell(self, job: Job, *, given_back: bool = False) -> None:
        told = event_of(job, given_back=given_back)
        if told is not None:
            self._add(told[0], job.id, **told[1])
            if given_back:
                self.flush()  # before another worker that takes it now tells how it went on

    # --- sending ---

    def attach(self, dispatcher: Dispatcher) -> None:
        """From now on events go out by this dispatcher."""
        self._dispatcher = dispatcher

    def detach(self) -> None:
        """The connection is lost: events wait."""
        self._dispatcher = None

    def flush(self) -> None:
        """Sends what waits, in its order, in one message."""
        dispatcher = self._dispatcher
        if dispatcher is None:
            return
        with self._lock, contextlib.suppress(*BROKER_ERRORS):  # nobody misses an event more than a job
            while self._waiting:
                type_, fields = self._waiting.popleft()
                dispatcher.send(type_, **fields)
            dispatcher.flush()

    def _received(self, job_id: str, request: JobRequest, attempts: int) -> None:
        asset = {"site": request.site_id, "asset": request.asset_id}  # an asset's id is what an operator searches for
        shown = {"args": repr((job_id,)), "kwargs": repr(asset), "root_id": job_id, "parent_id": None}
        self._add("task-received", job_id, name=TASK, **shown, retries=attempts, eta=None, expires=None)

    def _add(self, type_: str, job_id: str, **fields: Any) -> None:
        self._waiting.append((type_, {"uuid": job_id, "timestamp": self._clock(), **fields}))


def event_of(job: Job, *, given_back: bool = False) -> tuple[str, Fields] | None:
    """The event that tells of the job's state; None where its next claim, or whoever holds it, will tell."""
    if job.status in ("superseded", "cancelled"):
        return "task-revoked", REVOKED
    error = job.error
    cause = f"{error.code}: {error.detail}" if error is not None else "The worker gave it back or died."
    if job.status == "dead":
        return "task-failed", {"exception": cause, "traceback": error.remedy if error is not None else ""}
    if job.status == "accepted" and (given_back or job.attempts or job.crashes):
        return "task-retried", {"exception": cause}
    return None
