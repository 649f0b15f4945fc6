"""What every worker process has in common: it waits for the ledger, enters its name there, and beats until it leaves."""

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
from workers.runtime.heartbeat import Heart, Vital

log = structlog.get_logger()

WAIT_SECONDS = (0.2, 0.5, 1.0, 2.0)  # between tries to reach a part at the start; the last one repeats

T = TypeVar("T")


class Asked(Exception):
    """The process was asked to end before it had begun."""


def patiently(call: Callable[[], T], asked: threading.Event, what: str) -> T:
    """`call()` as soon as the part it needs is there. Errors: Asked."""
    tries = 0
    while True:
        try:
            return call()
        except Unavailable as err:
            pause = WAIT_SECONDS[min(tries, len(WAIT_SECONDS) - 1)]
            tries += 1
            log.warning("start.waits", part=what, tries=tries, error=str(err))
        if asked.wait(pause):
            raise Asked(what)


@contextmanager
def enrolled(
    ledger: Ledger, *, worker_id: str, role: str, lane: Lane | None, asked: threading.Event, vitals: Sequence[Vital] = ()
) -> Iterator[Heart]:
    """Registered and beating within the body; retired behind it, however it ends."""
    host = socket.gethostname()
    patiently(lambda: ledger.register_worker(worker_id, role=role, lane=lane, host=host, pid=os.getpid()), asked, "ledger")
    log.info("worker.registered", worker=worker_id, lane=lane, pid=os.getpid())
    heart = Heart(lambda: ledger.beat(worker_id), vitals)
    heart.start()
    try:
        yield heart
    finally:
        heart.stop()
        retire(ledger, worker_id)


def retire(ledger: Ledger, worker_id: str) -> None:
    """A clean exit: whatever this worker still holds goes back, uncharged. Without a ledger its lease runs out instead."""
    try:
        ledger.retire_worker(worker_id)
    except Unavailable as err:
        log.warning("worker.not_retired", worker=worker_id, error=str(err))


def new_worker_id() -> str:
    """One per boot."""
    return str(uuid.uuid4())
