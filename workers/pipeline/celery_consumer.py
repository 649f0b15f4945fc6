"""The Celery part of a tag worker: one short task, the health check of the consumer, and its shutdown."""

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

from tagger.queue.app import BROKER_ERRORS, TASK
from workers.pipeline.task_events import MAX_EVENTS, TaskEvents

log = structlog.get_logger()

STALL_SECONDS = 30.0  # longer than the longest answer that the consumer waits for
TICK_SECONDS = 1.0
PACE_SECONDS = 1.0  # pause between two connections: a broker that answers with errors is asked again, but not in a tight loop
EVENTS_SECONDS = 0.5  # events go to Flower this often; a message for each tick of the loop took a fifth of its time


def register(app: Celery, work: Callable[[str], None]) -> None:
    """Makes `work(job_id)` the task. It must not raise, because a hint has no result and the ledger stores the failure. It sends
    its own events to Flower; see task_events.py."""

    @app.task(name=TASK, ignore_result=True, send_events=False)  # type: ignore[untyped-decorator]
    def describe(job_id: str) -> None:
        work(job_id)


class ConsumerLiveness:
    """Whether the loop of the consumer runs. Without a broker it reconnects, which is not a stall."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None  # None: not connected
        self.connected = threading.Event()  # set once the consumer took up work

    def tick(self) -> None:
        self._last = self._clock()
        self.connected.set()

    def reconnecting(self) -> None:
        self._last = None

    def problem(self) -> str | None:
        """None if healthy, else the problem: a health check for the heartbeat."""
        last = self._last
        if last is None or self._clock() - last < STALL_SECONDS:
            return None
        return f"The broker's consumer has not turned for {self._clock() - last:.0f} s."


def consumer_step(liveness: ConsumerLiveness, events: TaskEvents) -> type[bootsteps.StartStopStep]:
    """A step of Celery's consumer. While it is connected, its event loop calls this to record progress and to send events."""

    class LivenessStep(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            liveness.tick()
            consumer.timer.call_repeatedly(TICK_SECONDS, liveness.tick)
            _gather(consumer.event_dispatcher)
            events.attach(consumer.event_dispatcher)
            consumer.timer.call_repeatedly(EVENTS_SECONDS, events.flush)

        def stop(self, _consumer: Any) -> None:
            liveness.reconnecting()
            events.detach()

        def shutdown(self, _consumer: Any) -> None:
            liveness.reconnecting()
            events.detach()

    return LivenessStep


def pace_step(clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep) -> type:
    """A step of Celery's consumer that waits if there was a connection a moment ago."""
    last = float("-inf")

    class PaceStep(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.connection:Connection",)

        def start(self, _consumer: Any) -> None:
            nonlocal last
            sleep(max(0.0, last + PACE_SECONDS - clock()))
            last = clock()

    return PaceStep


def _gather(dispatcher: Any) -> None:
    """Events are sent together, not one by one."""
    dispatcher.on_send_buffered = None
    dispatcher.buffer_limit = 3 * MAX_EVENTS


def _send_rest(app: Celery, name: str, events: TaskEvents) -> None:
    """Sends the events of tasks that ended after the consumer. Without a broker they are lost; the ledger has the result."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            dispatcher = app.events.Dispatcher(connection, hostname=name, buffer_group=["task"])
            _gather(dispatcher)
            events.attach(dispatcher)
            events.flush()
    except BROKER_ERRORS as err:
        log.warning("events.lost", error=type(err).__name__)
    finally:
        events.detach()


class Consumer(WorkController):  # type: ignore[misc]
    """Celery's worker without its command line: no signal handlers, no banner, no own logging."""

    def on_before_init(self, **_: Any) -> None:
        trace.setup_worker_optimizations(self.app, self.hostname)


def consume(app: Celery, *, queue: str, threads: int, name: str, liveness: ConsumerLiveness, events: TaskEvents) -> None:
    """Takes hints from `queue` until `stop_consuming`, then waits for the running tasks.

    `name`: the node's name, as Flower shows it. Errors: RuntimeError when Celery ended for another reason.
    """
    for chatty in ("celery.worker.strategy", "celery.app.trace"):  # two lines per image, with less content than tagger's own
        logging.getLogger(chatty).setLevel(logging.WARNING)
    app.steps["consumer"].add(pace_step())
    app.steps["consumer"].add(consumer_step(liveness, events))
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
    _send_rest(app, name, events)
    if worker.exitcode:
        raise RuntimeError(f"The Celery worker ended with status {worker.exitcode}.")


def stop_consuming() -> None:
    """Safe in a signal handler: the consumer's loop looks at this flag at least once a second, also while reconnecting."""
    state.should_stop = 0
