"""The Celery side of a tag worker: one task of a few lines, the consumer's pulse, and an ending without surprises."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery, bootsteps
from celery.app import trace
from celery.worker import WorkController, state

from tagger.queue import TASK

log = structlog.get_logger()

STALL_SECONDS = 30.0  # longer than the longest answer that the consumer waits for
TICK_SECONDS = 1.0
EVENTS_SECONDS = 0.5  # Flower hears of tasks this often; a message for each tick of the loop took a fifth of its time
MOST_EVENTS = 3_000  # between two times


def register(app: Celery, work: Callable[[str], None]) -> None:
    """Makes `work(job_id)` the task. It must not raise: a hint has no result, and the ledger knows what failed."""

    @app.task(name=TASK, ignore_result=True)  # type: ignore[untyped-decorator]
    def describe(job_id: str) -> None:
        work(job_id)


class Pulse:
    """Whether the consumer's loop turns. Being without a broker is no stall: then it is busy reconnecting."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None  # None: not connected
        self.connected = threading.Event()  # set once the consumer took up work

    def tick(self) -> None:
        self._last = self._clock()
        self.connected.set()

    def reconnecting(self) -> None:
        self._last = None

    def wrong(self) -> str | None:
        """None when well, else what is wrong: a vital sign for the Heart."""
        last = self._last
        if last is None or self._clock() - last < STALL_SECONDS:
            return None
        return f"The broker's consumer has not turned for {self._clock() - last:.0f} s."


def consumer_step(pulse: Pulse) -> type[bootsteps.StartStopStep]:
    """A step of Celery's consumer that ticks from its event loop while that is connected."""

    class PulseStep(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            pulse.tick()
            consumer.timer.call_repeatedly(TICK_SECONDS, pulse.tick)
            _gather_events(consumer)

        def stop(self, _consumer: Any) -> None:
            pulse.reconnecting()

        def shutdown(self, _consumer: Any) -> None:
            pulse.reconnecting()

    return PulseStep


def _gather_events(consumer: Any) -> None:
    """Task events go out together and from the consumer's loop only, not one by one."""
    dispatcher = consumer.event_dispatcher
    dispatcher.on_send_buffered = None
    dispatcher.buffer_limit = MOST_EVENTS
    consumer.timer.call_repeatedly(EVENTS_SECONDS, dispatcher.flush)


class Consumer(WorkController):  # type: ignore[misc]
    """Celery's worker without its program around it: no signal handlers, no banner, no logging of its own."""

    def on_before_init(self, **_: Any) -> None:
        trace.setup_worker_optimizations(self.app, self.hostname)


def consume(app: Celery, *, queue: str, threads: int, name: str, pulse: Pulse) -> None:
    """Takes hints from `queue` until `stop_consuming`; then waits for the tasks that run.

    `name`: the node's name, as Flower shows it. Errors: RuntimeError when Celery ended for another reason.
    """
    for chatty in ("celery.worker.strategy", "celery.app.trace"):  # two lines per image that say less than ours
        logging.getLogger(chatty).setLevel(logging.WARNING)
    app.steps["consumer"].add(consumer_step(pulse))
    worker = Consumer(
        app=app,
        hostname=name,
        pool="threads",
        concurrency=threads,
        queues=[queue],
        without_gossip=True,
        without_mingle=True,
        optimization="fair",
    )
    worker.start()
    if worker.exitcode:
        raise RuntimeError(f"Celery's worker ended with {worker.exitcode}.")


def stop_consuming() -> None:
    """Safe in a signal handler: the consumer's loop looks at this flag at least once a second, also while reconnecting."""
    state.should_stop = 0
