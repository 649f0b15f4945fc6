"""Q13 and Q16: the ledger does not answer, or a process is stopped inside one of its transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from support.postgres import Cluster

from faults.figures import LONG, Figures
from faults.harness import UPLOAD, Rig
from tagger.ledger.db.sqlite import LOCK_WAIT_SECONDS

Build = Callable[..., Rig]
Report = Callable[[Figures], None]

SQLITE_AWAY_SECONDS = 60 if LONG else 12  # longer than a lease, twice
POSTGRES_AWAY_SECONDS = 60 if LONG else 20


@contextmanager
def locked(rig: Rig) -> Iterator[None]:
    """Nobody else writes: as a backup tool, or a process that forgot to commit."""
    lock = sqlite3.connect(rig.home / "ledger.sqlite", isolation_level=None, timeout=30)
    lock.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        lock.execute("ROLLBACK")
        lock.close()


@contextmanager
def stopped(server: Cluster) -> Iterator[None]:
    """In the middle of commits: no checkpoint, no farewell."""
    server.stop("immediate")
    try:
        yield
    finally:
        server.start()


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_q13_the_ledger_is_away_under_load(build: Build, report: Report, ledger: str, request: pytest.FixtureRequest) -> None:
    rig = build(ledger, a_ms=10, b_ms=40)
    for role, count in (("api", 1), ("reconcile", 2), ("deliver", 1), (UPLOAD, 2)):
        rig.start(role, kept=False, count=count)
    rig.ready()
    for _ in range(80):
        assert rig.put().status_code == 202
    rig.until(lambda: rig.count("done") >= 8, "work is under way")
    pids = [slot.process.pid for slot in rig.slots]
    time.sleep(rig.rng.uniform(0, 0.5))  # the moment of the fault
    seconds, outage = (
        (SQLITE_AWAY_SECONDS, locked(rig))
        if ledger == "sqlite"
        else (POSTGRES_AWAY_SECONDS, stopped(request.getfixturevalue("postgres")))
    )
    refused = 0
    with outage:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            answer = rig.put(timeout=LOCK_WAIT_SECONDS + 15)  # an API whose write met the lock first asks for it that long
            assert answer.status_code in (202, 503), answer.text  # 202 only if the ledger took it after all
            refused += answer.status_code == 503
            time.sleep(0.2)
    back = time.monotonic()
    open_jobs = [job for job, state in rig.states().items() if state in ("accepted", "running", "described")]
    took = rig.recoveries(open_jobs, back, 60)
    rig.until(lambda: rig.put().status_code == 202, "the API accepts again")
    rig.all_done(30)
    fell = sum(slot.process.poll() is not None for slot in rig.slots)
    charged = rig.charged(list(rig.accepted))
    figures = rig.figures("Q13", recovery_s=took, away_s=seconds, refused_503=refused, fell=fell, charged=charged)
    report(figures)
    assert (figures.lost, figures.duplicates, fell, charged) == (0, 0, 0, 0)
    assert [slot.process.pid for slot in rig.slots] == pids
    assert rig.effective() == len(rig.accepted)
