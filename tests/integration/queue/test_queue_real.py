"""Hints over a real broker: a sent hint is in the queue, and a broken broker is detected quickly."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tagger.errors import BrokerUnavailable
from tagger.queue.app import TASK
from tagger.queue.hints import LOCK_SECONDS, SEND_SECONDS, Hints
from tagger.supervisor import redis_server
from tagger.supervisor.redis_server import Broker


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Broker]:
    with redis_server.start(tmp_path) as running:
        yield running


def client(server: Broker) -> redis.Redis:
    return redis.Redis(unix_socket_path=server.url.removeprefix("redis+socket://"))


def test_a_message_carries_the_id_only(server: Broker) -> None:
    hints = Hints(server.url)
    hints.send("job_01", "backfill")
    with client(server) as raw:
        [message] = [json.loads(m) for m in raw.lrange("backfill", 0, -1)]
    assert message["headers"]["task"] == TASK
    assert message["headers"]["id"] == "job_01"
    assert hints.depth("backfill") == 1
    assert hints.depth("upload") == 0


def test_hints_in_front_are_read_before_all_that_wait_in_their_order(server: Broker) -> None:
    hints = Hints(server.url)
    hints.send_many(["late_1", "late_2"], "upload")
    hints.send_many(["freed_1", "freed_2"], "upload", front=True)
    with client(server) as raw:
        read = [json.loads(raw.rpop("upload"))["headers"]["id"] for _ in range(4)]  # workers read on the right
    assert read == ["freed_1", "freed_2", "late_1", "late_2"]


def test_many_threads_send_at_once(server: Broker) -> None:
    hints = Hints(server.url)
    threads = [threading.Thread(target=lambda: [hints.send(f"job_{n}", "upload") for n in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hints.depth("upload") == 400


def test_a_restart_between_two_hints_is_not_noticed(tmp_path: Path) -> None:
    with redis_server.start(tmp_path) as first:
        hints = Hints(first.url)
        hints.send("job_1", "upload")
    with redis_server.start(tmp_path):
        hints.send("job_2", "upload")
        assert hints.depth("upload") == 2


def test_a_flushed_broker_takes_hints_at_once(server: Broker) -> None:
    hints = Hints(server.url)
    hints.send("job_1", "upload")
    with client(server) as raw:
        raw.flushall()
    hints.send("job_2", "upload")
    assert hints.depth("upload") == 1


def test_a_full_broker_says_so(server: Broker) -> None:
    hints = Hints(server.url)
    with client(server) as raw:
        raw.config_set("maxmemory", "1mb")
        with pytest.raises(BrokerUnavailable):
            hints.send_many([f"job_{n}" for n in range(2000)], "upload")
        raw.config_set("maxmemory", "0")


def test_a_frozen_broker_holds_nobody_for_long(server: Broker) -> None:
    hints = Hints(server.url)
    hints.ping()
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)
    took: list[float] = []

    def send() -> None:
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            hints.send("job_1", "upload")
        took.append(time.monotonic() - began)

    threads = [threading.Thread(target=send) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert len(took) == 8
    assert sorted(took)[-2] < LOCK_SECONDS + 0.5  # all but the one that asked
    assert max(took) < 3 * SEND_SECONDS + 1
