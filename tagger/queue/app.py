"""The Celery app of the fleet: its lanes, its options, and how long it waits for the broker.

A message is a hint and carries only a job's id; the ledger is the truth (docs/architecture.md).

Redis keys: `upload`, `backfill` and `solo` are lists with one hint per element; `_kombu.*` and `unacked*` belong to kombu.
"""

from __future__ import annotations

import socket
from typing import Any

from celery import Celery
from kombu.entity import Queue as KombuQueue
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from tagger.job import LANES
from tagger.queue.kombu_patch import patch_kombu

TASK = "tagger.describe"

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0  # how long a consumer waits for an answer of the broker
HEALTH_SECONDS = 5  # an idle connection is checked this often; a silent one is dropped after 11 s
BROKER_ERRORS = (RedisError, KombuError, OSError)  # raised when the broker is away, silent or full
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}


def make_app(broker_url: str, *, main: str = "tagger") -> Celery:
    """The Celery app: JSON only, no results, one queue per lane, early acknowledgement.

    Acknowledgement is early, because the ledger frees the jobs of dead workers. Late acknowledgement ran the tasks of a killed
    worker twice, and still lost one now and then (docs/decisions.md).
    """
    patch_kombu()
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
        worker_cancel_long_running_tasks_on_connection_loss=False,  # a restart of the broker stops no image
        worker_enable_prefetch_count_reduction=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_detect_quorum_queues=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # no limit: no process ends because the broker is away
        broker_connection_timeout=CONNECT_SECONDS,
        broker_heartbeat=0,
        broker_transport_options=transport_options(),
        timezone="UTC",
        enable_utc=True,
    )
    return app


def transport_options() -> dict[str, Any]:
    """Options of kombu: how long it waits for a silent connection, and one Redis list per queue."""
    return {
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_keepalive": True,
        "socket_keepalive_options": _keepalive_options(),
        "health_check_interval": HEALTH_SECONDS,
        "retry_on_timeout": False,
        "master_name": "mymaster",  # the default name at sentinels; other transports ignore it
        "priority_steps": [0],
        "queue_order_strategy": "priority",
        "max_connections": 64,
        # one attempt per call: callers decide about retries, and the consumer of Celery has its own loop
        "max_retries": 1,
        "interval_start": 0.2,
        "interval_step": 0.5,
        "interval_max": 2.0,
    }


def _keepalive_options() -> dict[int, int]:
    return {getattr(socket, name): value for name, value in KEEPALIVE.items() if hasattr(socket, name)}
