"""Q1 to Q3, Q7 to Q11: a job between the 202 and its write, while processes are killed."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from faults.figures import LONG, Figures, share
from faults.harness import BACKFILL, SOLO, UPLOAD, Rig
from workers.models.fake import KILLS

Build = Callable[..., Rig]
Report = Callable[[Figures], None]
BOTH = pytest.mark.parametrize("ledger", ["sqlite", "postgres"])


def test_q1_the_api_is_killed_between_commit_and_hint(build: Build, report: Report) -> None:
    rig = build(window=6_000)
    backlog = 5_000
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a broker that accepts connections and never answers
        api = rig.start("api", broker_url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        for role in ("reconcile", "deliver", UPLOAD, BACKFILL):
            rig.start(role)
        rig.accept(backlog, lane="backfill")
        behind = set(rig.accepted)
        rig.ready()
        rig.until(lambda: rig.redis().llen("backfill") > 4_000, "the backlog waits in the broker too")
        took: list[float] = []
        for _ in range(5 if LONG else 2):
            answer = rig.put()
            rig.kill(api)
            killed = time.monotonic()
            assert answer.status_code == 202
            took += rig.recoveries([answer.json()["id"]], killed, 10)
            rig.until(lambda: bool(rig.working("api")), "the next API answers")
    left = sum(1 for state in rig.states(sorted(behind)).values() if state == "accepted")
    assert left > 1_000, "the backlog was there all the time"
    for job in behind:
        del rig.accepted[job]
    figures = rig.figures("Q1", recovery_s=took, backlog=backlog)
    report(figures)
    assert (figures.lost, figures.duplicates) == (0, 0)
    assert max(took) <= 10


@BOTH
def test_q2_workers_are_killed_at_random_moments_under_load(build: Build, report: Report, ledger: str) -> None:
    rig = build(ledger, a_ms=10, b_ms=60)
    kills = 100 if LONG else 20 if ledger == "sqlite" else 6
    for role, count in (("api", 1), ("reconcile", 1), ("deliver", 2), (SOLO, 1), (UPLOAD, 3)):
        rig.start(role, count=count)
    rig.ready()
    took: list[float] = []
    reclaims: list[float] = []
    watchers: list[threading.Thread] = []
    for turn in range(kills):
        rig.until(lambda: len(rig.working(UPLOAD)) >= 2 and len(rig.working("deliver")) >= 1, "two workers are at work")
        for _ in range(max(0, 40 - rig.unfinished())):
            assert rig.put().status_code == 202
        rig.until(lambda: _more(rig) and rig.running() >= 4, "images are under way")
        time.sleep(rig.rng.uniform(0, 0.3))  # the moment of the fault
        victim = rig.rng.choice(rig.working("deliver" if turn % 5 == 4 else UPLOAD))
        held = rig.held(victim)
        rig.kill(victim)
        watchers.append(_watch(rig, held, took, reclaims))
    rig.all_done(90)
    for watcher in watchers:
        watcher.join(60)
    again = {"reclaim_p50_s": round(share(reclaims, 0.5), 1), "reclaim_p99_s": round(share(reclaims, 0.99), 1)}
    figures = rig.figures("Q2", recovery_s=took, **again, kills=kills, effective_writes=rig.effective())
    report(figures)
    assert (figures.lost, figures.duplicates, rig.effective()) == (0, 0, len(rig.accepted))
    assert rig.count("dead") == 0


def _more(rig: Rig) -> bool:
    """Many at once where few are open: on a slow machine the first upload may be done before the last is sent."""
    if rig.unfinished() < 20:
        rig.submit(40)
    return True


def _watch(rig: Rig, held: dict[str, str], took: list[float], reclaims: list[float]) -> threading.Thread:
    since = time.monotonic()

    def look() -> None:
        reclaims.extend(rig.reclaims(held, since, 60))
        took.extend(rig.recoveries(list(held), since, 60, ("described", "done", "dead")))

    thread = threading.Thread(target=look)
    thread.start()
    return thread


def test_q3_a_worker_is_frozen_while_idle_and_then_killed(build: Build, report: Report) -> None:
    rig = build()
    for role in ("api", "reconcile", "deliver"):
        rig.start(role)
    idle = rig.start(UPLOAD, kept=False)
    rig.ready()
    took: list[float] = []
    swallowed = 0
    for _ in range(11 if LONG else 3):
        warm = rig.put().json()["id"]
        rig.all_done(20, [warm])
        rig.freeze(idle)
        job = rig.put().json()["id"]
        rig.until(lambda: rig.redis().llen("upload") == 0, "the hint is gone from the broker", 5)
        swallowed += rig.states([job])[job] == "accepted"
        rig.kill(idle)
        killed = time.monotonic()
        idle = rig.start(UPLOAD, kept=False)
        took += rig.recoveries([job], killed, 15)
    figures = rig.figures("Q3", recovery_s=took, swallowed=swallowed)
    report(figures)
    assert (figures.lost, figures.duplicates) == (0, 0)
    assert swallowed, "the fault was never made"
    assert max(took) <= 15


def test_q7_a_frozen_worker_wakes_after_another_did_its_jobs(build: Build, report: Report) -> None:
    rig = build(a_ms=10, b_ms=100)
    frozen = rig.start(UPLOAD, kept=False)
    for role in ("reconcile", "deliver"):
        rig.start(role)
    rig.ready()
    rig.accept(24)
    rig.until(lambda: len(rig.held(frozen)) >= 4, "images are in its hands")
    rig.freeze(frozen)
    held, since = rig.held(frozen), time.monotonic()
    rig.start(UPLOAD)
    took = rig.recoveries(list(held), since, 40)
    rig.all_done(40)
    rig.kill(frozen, signal.SIGCONT)
    rig.until(lambda: frozen.process.poll() is not None, "the stale copy is refused and its process ends", 20)
    figures = rig.figures("Q7", recovery_s=took, held=len(held), exit=frozen.process.returncode)
    report(figures)
    assert (figures.lost, figures.duplicates, rig.effective()) == (0, 0, len(rig.accepted))


def test_q8_what_is_due_in_three_days_waits_in_the_ledger_alone(build: Build, report: Report) -> None:
    rig = build(a_ms=5, b_ms=1)
    for role in ("reconcile", "deliver"):
        rig.start(role)
    worker = rig.start(UPLOAD, kept=False)
    rig.ready()
    [job] = rig.accept(1)
    days = 3 * 24 * 3_600_000
    postpone(rig, job, days)
    others = rig.accept(10)
    rig.all_done(30, others)
    waiting = rig.ledger.lane_counts()["upload"].waiting
    with rig.redis() as raw:
        in_broker = raw.llen("upload") + sum(raw.hlen(key) for key in raw.keys("unacked") if raw.type(key) == b"hash")
    rig.kill(worker, signal.SIGTERM)
    assert worker.process.wait(20) == 0, "nothing keeps the worker from ending"
    rig.start(UPLOAD)
    postpone(rig, job, 0)
    rig.all_done(30)
    figures = rig.figures("Q8", waiting_in_ledger=waiting, waiting_in_broker=in_broker)
    report(figures)
    assert (figures.lost, figures.duplicates, waiting, in_broker) == (0, 0, 1, 0)


def postpone(rig: Rig, job: str, by_ms: int) -> None:
    """The ledger's own moment, as `fail` would set it."""
    from sqlalchemy import text

    def work(tx: Any) -> None:
        tx.conn.execute(text("UPDATE jobs SET due_ms = :due WHERE id = :job"), {"due": tx.now_ms + by_ms, "job": job})

    rig.ledger._write(work)


@BOTH
def test_q9_images_that_kill_their_process_every_time(build: Build, report: Report, ledger: str) -> None:
    total, bad = (5_000, 10) if LONG else (150, 3) if ledger == "sqlite" else (60, 1)
    rig = build(ledger, a_ms=4, b_ms=1)
    poisons: list[str] = []
    for _ in range(bad):
        rig.accept((total - bad) // bad)
        poisons += rig.accept(1, colour=KILLS)
    rig.accept(total - len(rig.accepted))
    began = time.monotonic()
    for role, count in (("reconcile", 1), ("deliver", 1), (UPLOAD, 2), (SOLO, 3)):
        rig.start(role, count=count)
    healthy = [job for job in rig.accepted if job not in set(poisons)]
    rig.all_done(900 if LONG else 90, healthy)
    rig.until(lambda: rig.count("dead") >= bad, "the poison images are dead letters", 300 if LONG else 90)
    took = time.monotonic() - began
    dead = {letter.job_id for letter in rig.ledger.dead_letters().data}
    charged = rig.charged(healthy)
    figures = rig.figures(
        "Q9", poison=bad, dead_letters=len(dead), neighbours_charged=charged, deaths=rig.falls("tag"), took_s=round(took)
    )
    report(figures)
    assert dead == set(poisons)
    assert (figures.lost, figures.duplicates, charged) == (0, 0, 0)
    assert rig.effective() == len(healthy)


@pytest.mark.parametrize("role", [UPLOAD, "deliver", "reconcile", "api"])
def test_q10_sigterm_under_load_ends_within_the_grace_period(build: Build, report: Report, role: str) -> None:
    rig = build(a_ms=10, b_ms=50)
    for one in ("api", "reconcile", "deliver", UPLOAD):
        rig.start(one, kept=one != role)
    rig.ready()
    for _ in range(40):
        rig.put()
    rig.until(lambda: rig.count("done") >= 4, "work is under way")
    [asked] = rig.working(role)
    began = time.monotonic()
    asked.process.terminate()
    status = asked.process.wait(25)
    took = time.monotonic() - began
    rig.start(role)
    rig.all_done(60)
    charged = rig.charged(list(rig.accepted))
    figures = rig.figures("Q10", role=role.split()[0], exit_s=round(took, 1), exit=status, charged=charged)
    report(figures)
    assert (figures.lost, figures.duplicates, status, charged) == (0, 0, 0, 0)


def test_q11_the_same_hook_five_times_at_once_is_one_job(build: Build, report: Report) -> None:
    import json

    from tagger.net import signing

    rig = build()
    secret = signing.new_secret()
    receiver = rig.add_site("cms", hook_secrets=(secret,))
    rig.start("api")
    rig.ready()
    ids: list[str] = []
    for number in range(4):
        image = {"url": f"http://127.0.0.1:{receiver.port}/{number}.png"}
        asset = {"id": f"a{number}", "revision": "1", "image": image}
        body = json.dumps({"type": "asset.created", "timestamp": "2026-11-21T09:30:00Z", "data": {"asset": asset}}).encode()
        headers = signing.sign([secret], f"evt-{number}", int(time.time()), body)
        answers: list[requests.Response] = []
        barrier = threading.Barrier(5)

        def call(body: bytes = body, headers: dict[str, str] = headers, barrier: threading.Barrier = barrier,
                 answers: list[requests.Response] = answers) -> None:  # fmt: skip
            barrier.wait(10)
            answers.append(requests.post(f"{rig.api}/v1/hooks/cms", data=body, headers=headers, timeout=10))

        threads = [threading.Thread(target=call) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {a.status_code for a in answers} == {202}, answers[0].text
        ids += sorted({a.json()["id"] for a in answers})
    figures = Figures(
        fault="Q11", ledger=rig.ledger_name, accepted=4, lost=4 - min(4, len(ids)), duplicates=len(ids) - 4, more={"calls": 20}
    )
    report(figures)
    assert len(ids) == 4
    assert rig.count("accepted") == 4
