"""The broker's side of the house: the Celery app, its lanes, `send` and `depth`.

A message is a hint and carries only a job's id; the ledger is the truth. Losing one costs a second or two, running one
twice costs nothing, so nothing here waits long: a hint that cannot be sent now is sent by the reconciler later.

Redis keys: `upload`, `backfill`, `solo` (a list each, one hint an element); `_kombu.*` and `unacked*` belong to kombu.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from celery import Celery
from kombu.connection import Connection
from kombu.entity import Queue as KombuQueue
from kombu.exceptions import KombuError
from kombu.messaging import Producer
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from tagger.errors import BrokerUnavailable
from tagger.job import LANES, Lane

TASK = "tagger.describe"

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0  # longest silence of a broker that a consumer asked something
SEND_SECONDS = 1.5  # the same for senders and counters: behind them a caller may wait
HEALTH_SECONDS = 5  # an idle connection is asked this often; a silent one is dropped after 11 s
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}
LOCK_SECONDS = 1.0  # longest wait behind other threads of this process that are sending
PAGE = 100  # hints that go out in one round trip
PAUSE_SECONDS = 1.0  # after a failure, `send` refuses at once for this long instead of queueing up callers

BROKER_ERRORS = (RedisError, KombuError, OSError)  # what a broker that is away, silent or full raises

T = TypeVar("T")


def make_app(broker_url: str, *, main: str = "tagger") -> Celery:
    """The Celery app: JSON only, no results, one queue per lane, early acknowledgement.

    Early acknowledgement, because the ledger frees the jobs of the dead: late acknowledgement ran a killed worker's tasks
    twice, and still lost one now and then (docs/decisions.md).
    """
    _mend_kombu()
    app = Celery(main, broker=broker_url, set_as_current=False)
    app.conf.update(
        task_queues=[KombuQueue(lane) for lane in LANES],  # type: ignore[no-untyped-call]
        task_default_queue="upload",
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        event_serializer="json",
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,  # a hint that no thread can take yet stays in Redis, where depth() counts it
        worker_send_task_events=True,  # for Flower
        worker_cancel_long_running_tasks_on_connection_loss=False,  # a broker's restart is no reason to stop an image
        worker_enable_prefetch_count_reduction=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_detect_quorum_queues=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # for ever: no process dies because the broker is away
        broker_connection_timeout=CONNECT_SECONDS,
        broker_heartbeat=0,
        broker_transport_options=transport_options(),
        timezone="UTC",
        enable_utc=True,
    )
    return app


def transport_options() -> dict[str, Any]:
    """How long kombu believes in a silent connection, and that one list is one queue."""
    return {
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_keepalive": True,
        "socket_keepalive_options": _keepalive_options(),
        "health_check_interval": HEALTH_SECONDS,
        "retry_on_timeout": False,
        "priority_steps": [0],
        "queue_order_strategy": "priority",
        "max_connections": 64,
        # one attempt per call: the callers decide about retries, and Celery's consumer has a loop of its own
        "master_name": "mymaster",  # what sentinels call it unless they were told another name; no other transport reads it
        "max_retries": 1,
        "interval_start": 0.2,
        "interval_step": 0.5,
        "interval_max": 2.0,
    }


def _keepalive_options() -> dict[int, int]:
    return {getattr(socket, name): value for name, value in KEEPALIVE.items() if hasattr(socket, name)}


def _mend_kombu() -> None:
    """What kombu 5.7.0 does to us, put right for this process.

    It takes an answer that is an error (NOREPLICAS, READONLY, MISCONF, …) for our mistake, on which the worker exits. A broker
    that answers so at a failover is as good as away: the consumer reconnects until it is well.

    It may use a channel whose connection lost its client: an AttributeError, on which the worker exits. Said as the
    connection error that it is, the consumer reconnects. And it spent a quarter of a worker's time between tasks on a
    record of unacknowledged messages, which hints do not need, and on a new client object for every command.
    """
    transport: Any = kombu_redis.Transport
    if ResponseError not in transport.connection_errors:
        transport.connection_errors = (*transport.connection_errors, ResponseError)
    original: Callable[..., Any] = kombu_redis.Channel._connparams
    if getattr(original, "mended", False):
        return

    @functools.wraps(original)
    def connparams(self: Any, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("The connection was closed.")
        return original(self, asynchronous)

    connparams.mended = True  # type: ignore[attr-defined]
    setattr(kombu_redis.Channel, "_connparams", connparams)  # noqa: B010
    setattr(kombu_redis.Channel, "_create_client", _one_client(kombu_redis.Channel._create_client))  # noqa: B010
    setattr(kombu_redis.Channel, "QoS", HintQoS)  # noqa: B010


def _one_client(original: Callable[..., Any]) -> Callable[..., Any]:
    """One client per pool of connections; making one takes 0.2 ms. The asynchronous one is kept by kombu itself."""

    @functools.wraps(original)
    def create_client(self: Any, asynchronous: bool = False) -> Any:
        if asynchronous:
            return original(self, asynchronous)
        client = self.__dict__.get("held_client")
        if client is None or client.connection_pool is not self.pool:  # a lost connection brings a new pool
            client = self.__dict__["held_client"] = original(self)
        return client

    return create_client


@contextlib.contextmanager
def _gathered(channel: Any) -> Iterator[Any]:
    """What the channel would send one by one goes out together at the end, in one round trip."""
    client = channel._create_client()
    together = client.pipeline(transaction=False)
    channel.__dict__["held_client"] = together
    try:
        yield together
        together.execute()
    finally:
        channel.__dict__["held_client"] = client


class HintQoS(kombu_redis.QoS):
    """A hint is done with once it was read: no `unacked` record is written and none removed, two round trips less a task."""

    def append(self, message: Any, delivery_tag: str) -> None:
        pass

    def ack(self, delivery_tag: str) -> None:
        pass


class Hints:
    """Sends hints and counts them, over one held connection; safe from any thread, never blocking for long.

    A call waits at most LOCK_SECONDS behind others, then a few times SEND_SECONDS for a broker that is silent; one that is
    gone is noticed at once. After a failure all callers are refused at once for PAUSE_SECONDS.
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
        """One hint for one job. Errors: BrokerUnavailable (down, silent, full, or busy with other callers)."""
        self.send_many([job_id], lane)

    def send_many(self, job_ids: list[str], lane: Lane, *, front: bool = False) -> None:
        """A hint for each job, oldest first; with `front` before all that wait in the queue.

        Errors: BrokerUnavailable; then some may have been sent, which harms nothing.
        """
        ordered = list(reversed(job_ids)) if front else list(job_ids)
        for page in (ordered[first : first + PAGE] for first in range(0, len(ordered), PAGE)):
            self._with_producer(functools.partial(self._publish, page, lane, front))

    def _publish(self, job_ids: list[str], lane: Lane, front: bool, producer: Producer) -> None:
        with _gathered(producer.channel) as together:
            for job_id in job_ids:
                self.app.send_task(
                    TASK, args=(job_id,), task_id=job_id, queue=lane, producer=producer, retry=False, ignore_result=True,
                    argsrepr=repr((job_id,)), kwargsrepr="{}",  # what Flower shows; left to Celery it is half of a hint's cost
                )  # fmt: skip
                if front:  # workers read on the right; should another sender's hint be moved instead, no harm is done
                    together.lmove(lane, lane, "LEFT", "RIGHT")

    def depth(self, lane: Lane) -> int:
        """Hints that wait in a lane's queue; those in a worker's hands are not among them. Errors: BrokerUnavailable."""
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
                self._drop()  # a connection that idled may have been cut: a fresh one decides
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
            raise BrokerUnavailable("The broker did not answer a moment ago.")
        if not self._lock.acquire(timeout=LOCK_SECONDS):
            raise BrokerUnavailable("The broker answers too slowly.")
        try:
            if self._monotonic() < self._refuse_until:
                raise BrokerUnavailable("The broker did not answer a moment ago.")
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
            # collect() closes sockets without a word to the peer; close() on a dead one may raise
            with contextlib.suppress(*BROKER_ERRORS, AttributeError):
                connection.collect()  # type: ignore[no-untyped-call]
