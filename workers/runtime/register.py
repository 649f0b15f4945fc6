"""Registration of a worker process: it waits for the ledger, registers itself, and sends heartbeats until it retires."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import structlog

from tagger.errors import Unavailable
from tagger.job import Lane
from tagger.ledger import Ledger
from workers.runtime.heartbeat import HealthCheck, Heartbeat
from workers.runtime.retry import retry

log = structlog.get_logger()

WAIT_SECONDS = (0.2, 0.5, 1.0, 2.0)  # between tries to reach a service at the start; the last one repeats

T = TypeVar("T")


class StopRequested(Exception):
    """A shutdown was requested before the process started its work."""


def retry_until_available(call: Callable[[], T], stopping: threading.Event, what: str) -> T:
    """`call()` as soon as the part it needs is there. Errors: Asked."""

    def delayed(tries: int, err: Unavailable) -> None:
        log.warning("start.delayed", service=what, tries=tries, error=str(err))

    try:
        return retry(call, waits=WAIT_SECONDS, give_up=stopping.wait, on_failure=delayed)
    except Unavailable:
        raise StopRequested(what) from None


@contextmanager
def registered(
    ledger: Ledger,
    *,
    worker_id: str,
    role: str,
    lane: Lane | None,
    stopping: threading.Event,
    checks: bool | None = None,
    health_checks: Sequence[HealthCheck] = (),
) -> Iterator[Heartbeat]:
    """The worker is registered and sends heartbeats during the body. It is retired afterwards, also after an exception.

    `checks`: of a tag worker, whether it can say if a text describes an image.
    """

    def register() -> None:
        ledger.register_worker(worker_id, role=role, lane=lane, host=socket.gethostname(), pid=os.getpid(), checks=checks)

    retry_until_available(register, stopping, "ledger")
    log.info("worker.registered", worker=worker_id, lane=lane, pid=os.getpid())
    heartbeat = Heartbeat(lambda: ledger.beat(worker_id), health_checks)
    heartbeat.start()
    try:
        yield heartbeat
    finally:
        heartbeat.stop()
        retire_worker(ledger, worker_id)


def retire_worker(ledger: Ledger, worker_id: str) -> None:
    """Retires the worker: its jobs are released, uncharged. If the ledger is away, the worker's lease expires instead."""
    try:
        ledger.retire_worker(worker_id)
    except Unavailable as err:
        log.warning("worker.retire_failed", worker=worker_id, error=str(err))


def new_worker_id() -> str:
    """A new id for each start of a process."""
    return str(uuid.uuid4())
