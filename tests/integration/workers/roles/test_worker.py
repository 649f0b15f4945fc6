"""Worker processes as they are in production, with the fake model: a real broker, a real ledger, real signals."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from support.stopping import stop_outside
from support.worker_house import WorkerHouse

from tagger.settings.broker_path import broker_socket
from tagger.supervisor import redis_server
from workers.runtime.heartbeat import EXIT_DECLARED_DEAD


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Any]:
    houses: list[WorkerHouse] = []

    def make(**settings: Any) -> WorkerHouse:
        houses.append(WorkerHouse(tmp_path / f"house{len(houses)}", **settings))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


def slow_model(house_home: Path, *, a_ms: float = 5, b_ms: float = 100) -> dict[str, Any]:
    """Settings of a fake model that takes its time."""
    folder = house_home / "slow"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fake.json").write_text(f'{{"a_ms": {a_ms}, "b_ms": {b_ms}}}')
    return {"model_dir": folder}


def test_fifty_images_are_described_without_a_hint_from_anybody(build: Any) -> None:
    house = build()
    house.tag()
    house.start("reconcile")
    ids = house.accept(50)
    house.until(lambda: house.all_done(ids), "50 images are described")
    job = house.ledger.job(ids[7])
    assert job.description is not None
    assert {a.field for a in job.description.annotations} == {"alt_text", "caption", "tags"}
    assert {"queue", "fetch", "decode", "model", "judge"} <= set(job.description.timings_ms)
    assert len(house.ledger.vectors("site", "fake").data) == 50
    assert house.hints.depth("upload") == 0


def test_a_tag_worker_says_whether_it_checks_texts(build: Any) -> None:
    house = build(check="fake")
    house.tag()
    assert house.ledger.checks_offered("upload") is True
    other = build()
    other.tag()
    assert other.ledger.checks_offered("upload") is False


def test_a_hint_is_answered_in_a_fraction_of_a_second(build: Any) -> None:
    house = build()
    house.tag()
    warm = house.submit(1)
    house.until(lambda: house.all_done(warm), "one image is described")
    ids = house.submit(1)
    assert house.until(lambda: house.all_done(ids), "one image is described") < 1.0


def test_each_lane_serves_itself_alone(build: Any) -> None:
    house = build()
    house.tag("upload")
    other = house.submit(3, lane="backfill")
    ids = house.submit(10)
    house.until(lambda: house.all_done(ids), "the uploads are described")
    assert house.statuses(other) == {"accepted": 3}
    house.tag("backfill")
    house.until(lambda: house.all_done(other), "the backfill is described")


def test_sigterm_during_a_batch_finishes_what_runs_and_loses_nothing(build: Any, tmp_path: Path) -> None:
    house = build(**slow_model(tmp_path), threads=4, max_batch=2)
    worker = house.tag()
    ids = house.submit(40)
    house.until(lambda: house.done() >= 4, "work is under way")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    left = house.statuses(ids)
    assert set(left) == {"done", "accepted"}, "nothing is left running"
    assert all(house.ledger.job(i).failures == 0 and house.ledger.job(i).crashes == 0 for i in ids)
    assert house.workers("tag:upload") == 0
    house.tag()
    house.start("reconcile")
    house.until(lambda: house.all_done(ids), "the next worker does the rest")


def test_a_second_sigterm_hurries_and_gives_back_what_runs(build: Any, tmp_path: Path) -> None:
    house = build(**slow_model(tmp_path, b_ms=3000), threads=2, max_batch=1)
    worker = house.tag()
    ids = house.submit(2)
    house.until(lambda: house.statuses(ids) == {"running": 2}, "both run")
    worker.send_signal(signal.SIGTERM)
    house.until(lambda: "worker.shutdown_requested" in house.logs(), "the worker ends")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(6) == 0
    assert house.statuses(ids) == {"accepted": 2}
    assert [house.ledger.job(i).crashes for i in ids] == [0, 0]


def test_the_jobs_of_a_killed_worker_are_done_by_another(build: Any, tmp_path: Path) -> None:
    house = build(**slow_model(tmp_path, b_ms=150))
    victim, other = house.tag(), house.tag()
    house.start("reconcile")
    house.until(lambda: house.workers("reconcile") == 1, "the reconciler is registered")
    ids = house.submit(40)
    house.until(lambda: house.done() >= 4, "work is under way")
    victim.kill()
    victim.wait()
    house.until(lambda: house.all_done(ids), "nothing is lost", seconds=20)
    house.until(lambda: "worker.expired" in house.logs(), "the victim is declared dead")
    assert other.poll() is None


def test_a_frozen_worker_is_replaced_and_ends_when_it_wakes(build: Any) -> None:
    house = build()
    frozen = house.tag()
    house.start("reconcile")
    house.until(lambda: house.workers("reconcile") == 1, "the reconciler is registered")
    stop_outside(frozen.pid, house.home / "ledger.sqlite")
    ids = house.submit(1)
    house.tag()
    house.until(lambda: house.all_done(ids), "another worker does it", seconds=15)
    house.until(lambda: "worker.expired" in house.logs(), "the frozen worker is declared dead")
    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(15) == EXIT_DECLARED_DEAD


@pytest.mark.parametrize("role", ["deliver", "reconcile"])
def test_a_process_of_any_role_ends_when_the_ledger_says_that_it_is_dead(build: Any, role: str) -> None:
    """All roles have one heartbeat: theirs, not one of their own making."""
    house = build()
    process = house.start(role)
    house.until(lambda: house.workers(role) == 1, "it is registered")
    (worker_id,) = sqlite3.connect(house.home / "ledger.sqlite").execute("SELECT id FROM workers").fetchone()
    house.ledger.retire_worker(worker_id)
    assert process.wait(15) == EXIT_DECLARED_DEAD
    assert '"event": "worker.declared_dead"' in house.logs()


def test_a_broker_killed_and_restarted_under_load_costs_nobody_a_hand(build: Any, tmp_path: Path) -> None:
    house = build(**slow_model(tmp_path, b_ms=20))
    worker, reconciler = house.tag(), house.start("reconcile")
    ids = house.submit(100)
    house.until(lambda: house.done() >= 8, "work is under way")
    house.broker.process.kill()
    house.broker.process.wait()
    house.broker = redis_server.start(house.home)
    house.until(lambda: house.all_done(ids), "all are described", seconds=40)
    assert worker.poll() is None
    assert reconciler.poll() is None


def test_a_flushed_broker_heals_by_itself(build: Any, tmp_path: Path) -> None:
    house = build(**slow_model(tmp_path, b_ms=20))
    house.tag()
    house.start("reconcile")
    ids = house.submit(80)
    house.until(lambda: house.done() >= 8, "work is under way")
    with redis.Redis(unix_socket_path=str(broker_socket(house.home))) as raw:
        raw.flushall()
    house.until(lambda: house.all_done(ids), "all are described", seconds=20)


def test_a_ledger_that_is_locked_for_a_while_kills_nobody(build: Any, tmp_path: Path) -> None:
    house = build(**slow_model(tmp_path, b_ms=20))
    worker, reconciler = house.tag(), house.start("reconcile")
    ids = house.submit(60)
    house.until(lambda: house.done() >= 8, "work is under way")
    lock = sqlite3.connect(house.home / "ledger.sqlite", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    released = threading.Timer(9.0, lambda: None)  # longer than a lease
    released.start()
    released.join()
    lock.execute("ROLLBACK")
    lock.close()
    house.until(lambda: house.all_done(ids), "all are described", seconds=30)
    assert worker.poll() is None
    assert reconciler.poll() is None
    assert sum(house.ledger.job(i).crashes for i in ids) == 0


class BlackHole:
    """A TCP proxy in front of the broker's socket that can stop to carry anything, without closing."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.open = threading.Event()
        self.open.set()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self.server.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                inside, _ = self.server.accept()
            except OSError:
                return
            outside = socket.socket(socket.AF_UNIX)
            outside.connect(str(self.target))
            for source, sink in ((inside, outside), (outside, inside)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        swallowed = False
        try:
            while data := source.recv(65536):
                swallowed = swallowed or not self.open.is_set()  # what was cut once stays cut
                if not swallowed:
                    sink.sendall(data)
        except OSError:
            pass
        finally:
            source.close()
            if not swallowed:
                sink.close()


def test_black_holed_connections_are_dropped_and_work_resumes(build: Any, tmp_path: Path) -> None:
    hole = BlackHole(broker_socket(tmp_path / "house0"))
    house = build(**slow_model(tmp_path, b_ms=20), broker_url=hole.url)
    worker, reconciler = house.tag(), house.start("reconcile")
    ids = house.submit(30)
    house.until(lambda: house.done() >= 8, "work is under way")
    hole.open.clear()
    ids += house.submit(30)
    house.until(lambda: "chore.postponed" in house.logs(), "the silence is noticed")
    hole.open.set()
    took = house.until(lambda: house.all_done(ids), "all are described", seconds=60)
    assert worker.poll() is None
    assert reconciler.poll() is None
    assert took < 60
    hole.server.close()


def test_a_worker_told_of_its_parent_ends_with_it(build: Any) -> None:
    house = build()
    orphan = house.start("--parent", "999999", "tag", "--lane", "upload")
    assert orphan.wait(20) == 0
    assert house.workers("tag:upload") == 0
