"""Events for Flower: one task per job, in the state that the ledger holds.

A worker may answer one job's hint by claiming another job, so Celery's own events would name the wrong image, and would always
report success. They are off. Instead the worker that claims a job sends events under that job's id: `received` with its site and
asset, `started`, then `succeeded`, `failed` (dead), `retried` (waits for another attempt) or `revoked` (superseded, cancelled).
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
from tagger.queue.app import BROKER_ERRORS, TASK
from workers.pipeline.deps import Settlement

MAX_EVENTS = 3_000  # kept while the broker is away; above that the oldest are dropped
CLAIMED: frozenset[JobStatus] = frozenset({"running", "described", "done"})  # the worker that claimed the job reports these
REVOKED = {"terminated": False, "signum": None, "expired": False}

Fields = Mapping[str, Any]


class Dispatcher(Protocol):
    """Celery's dispatcher of events."""

    def send(self, type: str, **fields: Any) -> object: ...
    def flush(self) -> object: ...


class Reads(Protocol):
    """The ledger's reads that are needed here."""

    def job(self, job_id: str) -> Job: ...
    def job_status(self, job_id: str) -> JobStatus: ...


class TaskEvents:
    """Collects events from all task threads; the consumer's loop sends them together. Thread-safe; raises nothing."""

    def __init__(self, ledger: Reads, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._clock = clock
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_EVENTS)
        self._lock = threading.Lock()
        self._dispatcher: Dispatcher | None = None

    # --- what happens to jobs ---

    def started(self, claim: Claim) -> None:
        """Call after this worker claimed the job."""
        self._received(claim.job_id, claim.request, claim.failures)
        self._add("task-started", claim.job_id)

    def settled(self, claim: Claim, settlement: Settlement, seconds: float) -> None:
        """Call after this worker wrote the settlement to the ledger."""
        if settlement == "described":
            self._add("task-succeeded", claim.job_id, result=settlement, runtime=seconds)
            return
        try:
            job = self._ledger.job(claim.job_id)
        except (LedgerUnavailable, NotFound):
            self._add("task-retried", claim.job_id, exception="ledger_unavailable: the job's state could not be read.")
            return
        self._report(job, released=settlement == "released")

    def not_claimed(self, job_id: str) -> None:
        """A hint named this job, but it could not be claimed. It may have ended without a worker; then report that."""
        try:
            if self._ledger.job_status(job_id) in CLAIMED:
                return
            job = self._ledger.job(job_id)
        except (LedgerUnavailable, NotFound):
            return
        if event_of(job) is not None:
            self._received(job.id, job.request, job.failures)
            self._report(job)

    def _report(self, job: Job, *, released: bool = False) -> None:
        event = event_of(job, released=released)
        if event is not None:
            self._add(event[0], job.id, **event[1])
            if released:
                self.flush()  # now, before another worker claims the job and sends its own events

    # --- sending ---

    def attach(self, dispatcher: Dispatcher) -> None:
        """Send events through this dispatcher from now on."""
        self._dispatcher = dispatcher

    def detach(self) -> None:
        """The connection is lost: keep events until the next `attach`."""
        self._dispatcher = None

    def flush(self) -> None:
        """Sends the waiting events, in order, in one message."""
        dispatcher = self._dispatcher
        if dispatcher is None:
            return
        with self._lock, contextlib.suppress(*BROKER_ERRORS):  # a lost event must not fail a job
            while self._waiting:
                type_, fields = self._waiting.popleft()
                dispatcher.send(type_, **fields)
            dispatcher.flush()

    def _received(self, job_id: str, request: JobRequest, failures: int) -> None:
        asset = {"site": request.site_id, "asset": request.asset_id}  # operators search by asset id
        shown = {"args": repr((job_id,)), "kwargs": repr(asset), "root_id": job_id, "parent_id": None}
        self._add("task-received", job_id, name=TASK, **shown, retries=failures, eta=None, expires=None)

    def _add(self, type_: str, job_id: str, **fields: Any) -> None:
        self._waiting.append((type_, {"uuid": job_id, "timestamp": self._clock(), **fields}))


def event_of(job: Job, *, released: bool = False) -> tuple[str, Fields] | None:
    """The event for the job's state. None if the worker that holds the job, or its next claim, reports it."""
    if job.status in ("superseded", "cancelled"):
        return "task-revoked", REVOKED
    error = job.error
    cause = f"{error.code}: {error.detail}" if error is not None else "The worker released the job or died."
    if job.status == "dead":
        return "task-failed", {"exception": cause, "traceback": error.remedy if error is not None else ""}
    if job.status == "accepted" and (released or job.failures or job.crashes):
        return "task-retried", {"exception": cause}
    return None
