"""Q4 to Q6: the broker is flushed, lost, full, or behind a faulty network."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from faults.figures import LONG, Figures
from faults.harness import UPLOAD, Rig
from faults.proxy import Proxy
from tagger.settings.broker_path import broker_socket

Build = Callable[..., Rig]
Report = Callable[[Figures], None]
BOTH = pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
ROLES = ("api", "reconcile", "deliver", UPLOAD)


def at_work(rig: Rig, *roles: str) -> None:
    for role in roles or ROLES:
        rig.start(role)
    rig.ready()


@BOTH
def test_q4_the_broker_is_flushed_and_comes_back_empty(build: Build, report: Report, ledger: str) -> None:
    rig = build(ledger, a_ms=10, b_ms=40)
    at_work(rig)
    took: list[float] = []
    rounds = 5 if LONG else 1
    for _ in range(rounds):
        for fault in ("flush", "restart"):
            rig.submit(60)
            time.sleep(rig.rng.uniform(0, 0.3))  # the moment of the fault
            waiting = rig.redis().llen("upload")
            assert waiting, "there is something to lose"
            open_jobs = [job for job, state in rig.states().items() if state in ("accepted", "running")]
            since = time.monotonic()
            if fault == "flush":
                rig.redis().flushall()
            else:
                rig.kill_broker()
                rig.restart_broker(empty=True)
                assert rig.redis().llen("upload") < waiting
            took += rig.recoveries(open_jobs, since, 60)
    rig.all_done(30)
    figures = rig.figures("Q4", recovery_s=took, faults=2 * rounds, falls=rig.falls())
    report(figures)
    assert (figures.lost, figures.duplicates, figures.more["falls"]) == (0, 0, 0)
    assert rig.effective() == len(rig.accepted)


def test_q5_accepting_goes_on_without_a_broker_and_with_a_full_one(build: Build, report: Report) -> None:
    rig = build(a_ms=5, b_ms=5)
    at_work(rig)
    waits: list[float] = []

    def upload(count: int) -> list[str]:
        answers = []
        for _ in range(count):
            began = time.monotonic()
            answers.append(rig.put())
            waits.append(time.monotonic() - began)
        assert {a.status_code for a in answers} == {202}
        return [a.json()["id"] for a in answers]

    with rig.redis() as raw:
        raw.config_set("maxmemory", "1")
        ids = upload(20)
        raw.config_set("maxmemory", "512mb")
    since = time.monotonic()
    took = rig.recoveries(ids, since, 40)
    rig.kill_broker()
    ids = upload(20)
    rig.restart_broker(empty=True)
    since = time.monotonic()
    took += rig.recoveries(ids, since, 60)
    figures = rig.figures("Q5", recovery_s=took, slowest_202_s=round(max(waits), 2), falls=rig.falls())
    report(figures)
    assert (figures.lost, figures.duplicates, figures.more["falls"]) == (0, 0, 0)
    assert max(waits) < 3


def behind_a_proxy(build: Build, *ledger: str) -> tuple[Rig, Proxy]:
    """`ledger`: the default one if none is named."""
    rig = build(*ledger, a_ms=10, b_ms=20)

    def connect() -> socket.socket:
        inner = socket.socket(socket.AF_UNIX)
        inner.connect(str(broker_socket(rig.home)))
        return inner

    proxy = Proxy(connect)
    rig.settings = rig.settings.model_copy(update={"broker_url": f"redis://127.0.0.1:{proxy.port}/0"})
    at_work(rig)
    return rig, proxy


def test_q6_broker_connections_are_reset_and_black_holed(build: Build, report: Report) -> None:
    rig, proxy = behind_a_proxy(build)
    took: list[float] = []
    resets = 0
    try:
        for fault in ("reset", "black hole") * (3 if LONG else 1):
            for busy in (True, False):
                before = [rig.put().json()["id"] for _ in range(30 if busy else 1)]
                if not busy:
                    rig.all_done(60, before)
                since = time.monotonic()
                if fault == "reset":
                    resets += proxy.reset()
                    after = [rig.put().json()["id"] for _ in range(5)]
                else:
                    proxy.black_hole.set()
                    after = [rig.put().json()["id"] for _ in range(5)]
                    noticed = time.monotonic()
                    rig.until(lambda noticed=noticed: time.monotonic() - noticed > 3, "the hole swallows for a while")  # type: ignore[misc]
                    proxy.black_hole.clear()
                took += rig.recoveries([*before, *after] if busy else after, since, 60)
        rig.all_done(30)
    finally:
        proxy.close()
    figures = rig.figures("Q6", recovery_s=took, resets=resets, falls=rig.falls())
    report(figures)
    assert (figures.lost, figures.duplicates, figures.more["falls"]) == (0, 0, 0)
    assert max(took) <= 60
