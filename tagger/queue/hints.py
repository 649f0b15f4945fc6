"""Send and count hints. A hint tells workers that a job may be claimed; the ledger is the truth.

A lost hint costs a second or two, and a job that is hinted twice runs once. So nothing here waits long: the reconciler sends
later what could not be sent now.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from kombu.connection import Connection
from kombu.messaging import Producer
from redis.exceptions import TimeoutError as RedisTimeout

from tagger.errors import BrokerUnavailable
from tagger.job import Lane
from tagger.queue.app import BROKER_ERRORS, TASK, make_app, transport_options
from tagger.queue.kombu_patch import pipelined

SEND_SECONDS = 1.5  # how long a sender waits for an answer of the broker: a caller may wait for it
LOCK_SECONDS = 1.0  # how long a sender waits for other threads of this process that are sending
PAGE = 100  # hints that go out in one round trip
PAUSE_SECONDS = 1.0  # after a failure, `send` refuses at once for this long, so that callers do not queue up

T = TypeVar("T")


class Hints:
    """Sends and counts hints over one connection. Any thread may call it.

    A call waits at most LOCK_SECONDS for other callers, then a few times SEND_SECONDS for a silent broker. It notices at once
    that a broker is gone. After a failure, all calls are refused at once for PAUSE_SECONDS.
    """

    def __init__(self, broker_url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.app = make_app(broker_url)
        self.app.conf.broker_transport_options = {**transport_options(), "socket_timeout": SEND_SECONDS}
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._refuse_until = float("-inf")

    def send(self, job_id: str, lane: Lane) -> None:
        """Send one hint for one job. Errors: BrokerUnavailable (down, silent, full, or busy with other callers)."""
        self.send_many([job_id], lane)

    def send_many(self, job_ids: list[str], lane: Lane, *, front: bool = False) -> None:
        """Send a hint for each job, oldest first; with `front`, ahead of all hints in the queue.

        Errors: BrokerUnavailable. Some may have been sent by then; that does no harm.
        """
        ordered = list(reversed(job_ids)) if front else list(job_ids)
        for page in (ordered[first : first + PAGE] for first in range(0, len(ordered), PAGE)):
            self._with_producer(functools.partial(self._publish, page, lane, front))

    def _publish(self, job_ids: list[str], lane: Lane, front: bool, producer: Producer) -> None:
        with pipelined(producer.channel) as pipeline:
            for job_id in job_ids:
                self.app.send_task(
                    TASK, args=(job_id,), task_id=job_id, queue=lane, producer=producer, retry=False, ignore_result=True,
                    argsrepr=repr((job_id,)), kwargsrepr="{}",  # for Flower; left to Celery, they take half of the time
                )  # fmt: skip
                if front:  # workers read on the right. If this moves the hint of another sender instead, no harm is done
                    pipeline.lmove(lane, lane, "LEFT", "RIGHT")

    def depth(self, lane: Lane) -> int:
        """How many hints wait in the queue of a lane. A hint that a worker holds is not counted. Errors: BrokerUnavailable."""
        return self._with_producer(lambda producer: int(producer.channel.client.llen(lane)))

    def ping(self) -> None:
        """Errors: BrokerUnavailable."""
        self._with_producer(lambda producer: producer.channel.client.ping())

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _with_producer(self, use: Callable[[Producer], T]) -> T:
        with self._turn():
            try:
                return use(self._held())
            except BROKER_ERRORS as err:
                if isinstance(err.__cause__ or err, TimeoutError | RedisTimeout):
                    raise self._failed(err) from err
                self._drop()  # an idle connection may have been cut: try once more on a new one
            try:
                return use(self._held())
            except BROKER_ERRORS as err:
                raise self._failed(err) from err

    def _failed(self, err: Exception) -> BrokerUnavailable:
        self._drop()
        self._refuse_until = self._monotonic() + PAUSE_SECONDS
        return BrokerUnavailable(f"The broker does not answer: {type(err.__cause__ or err).__name__}.")

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if self._monotonic() < self._refuse_until:
            raise BrokerUnavailable("The broker did not answer the last call; tagger waits a moment before the next one.")
        if not self._lock.acquire(timeout=LOCK_SECONDS):
            raise BrokerUnavailable("The broker answers too slowly.")
        try:
            if self._monotonic() < self._refuse_until:
                raise BrokerUnavailable("The broker did not answer the last call; tagger waits a moment before the next one.")
            yield
        finally:
            self._lock.release()

    def _held(self) -> Producer:
        if self._producer is None:
            self._connection = self.app.connection_for_write()
            self._connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)  # the default waits 2 s
            self._producer = self.app.amqp.Producer(self._connection.channel(), auto_declare=False)
        return self._producer

    def _drop(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            # collect() closes the sockets and sends nothing; close() may raise on a dead connection
            with contextlib.suppress(*BROKER_ERRORS, AttributeError):
                connection.collect()  # type: ignore[no-untyped-call]
