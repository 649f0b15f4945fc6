"""Hints off the request's path: no fault of the broker's side ends the thread that sends them, or holds up the process."""

from __future__ import annotations

import threading
import time

from tagger.errors import BrokerUnavailable
from tagger.job import Lane
from tagger.services.ingest import Hinter


def test_hints_go_on_after_any_fault() -> None:
    faults = {"job_1": BrokerUnavailable("away"), "job_2": RuntimeError("a bug in a library")}
    sent: list[str] = []

    def send(job_id: str, _lane: Lane) -> None:
        if job_id in faults:
            raise faults[job_id]
        sent.append(job_id)

    hinter = Hinter(send)
    for number in range(1, 4):
        hinter.hint(f"job_{number}", "upload")
    hinter.close()
    assert sent == ["job_3"]


def test_a_broker_that_hangs_does_not_keep_the_process() -> None:
    begun, release = threading.Event(), threading.Event()

    def send(_job_id: str, _lane: Lane) -> None:
        begun.set()
        release.wait(30)

    hinter = Hinter(send, capacity=1)
    hinter.hint("job_1", "upload")
    assert begun.wait(10)
    hinter.hint("job_2", "upload")  # the queue is full now
    started = time.monotonic()
    hinter.close(timeout=0.2)
    assert time.monotonic() - started < 10
    release.set()
