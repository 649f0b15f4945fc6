"""Q16: a process is stopped (SIGSTOP) inside a ledger transaction and never continued."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from faults.figures import Figures
from faults.harness import UPLOAD, Rig
from tagger.supervisor.process import STOPPED_SECONDS
from tagger.system.home import read_state

Build = Callable[..., Rig]
Report = Callable[[Figures], None]

# Nobody else leaves a transaction alone for that long. One that is "active" may wait for its client too, in a pipeline. Only
# this ledger's sessions: the server has those of other tests, and nobody of this one would end them.
LEFT_ALONE = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'ClientRead' "
    "AND state <> 'idle' AND state_change < now() - interval '0.4 s'"
)
SERVER_ENDS_SECONDS = 5.0  # the server's own timeouts lie below that (ledger/engine.py)


def left_alone(rig: Rig) -> int:
    """Transactions whose client says nothing any more."""
    with rig.reader.connect() as conn:
        return int(conn.execute(LEFT_ALONE).scalar_one())


def stop_inside(rig: Rig, pid: Callable[[], int], inside: Callable[[], bool]) -> int:
    """Stops the process at a moment when it holds a transaction open; its process id."""
    caught = 0

    def look() -> bool:
        nonlocal caught
        caught = pid()
        if rig.unfinished() < 20:
            rig.accept(60)  # without writes there is no transaction to be caught in
        os.kill(caught, signal.SIGSTOP)
        if inside():
            return True
        os.kill(caught, signal.SIGCONT)
        time.sleep(rig.rng.uniform(0, 0.05))  # another moment
        return False

    rig.until(look, "it stops inside a transaction", 60)
    return caught


@pytest.mark.parametrize("ledger", ["sqlite"])
def test_q16_on_sqlite_the_supervisor_ends_it(build: Build, report: Report, ledger: str) -> None:
    rig = build(ledger, a_ms=5, b_ms=5, tag_processes=2)
    rig.start("up", kept=False)
    rig.ready(60)

    def worker() -> int:
        state = read_state(rig.home)
        assert state is not None
        return int(state["children"]["tag-upload-0"])  # type: ignore[call-overload]

    stopped = stop_inside(rig, worker, lambda: not rig.writable(0.4))
    since = time.monotonic()
    held_s = rig.until(lambda: rig.writable(0.2), "others may write again", STOPPED_SECONDS + 10)
    took = rig.recoveries([job for job, state in rig.states().items() if state != "done"], since, 60)
    rig.until(lambda: worker() != stopped, "another stands in its place")
    rig.all_done(60)
    figures = rig.figures("Q16", recovery_s=took, writers_waited_s=round(held_s, 1), effective_writes=rig.effective())
    report(figures)
    assert (figures.lost, figures.duplicates, rig.effective()) == (0, 0, len(rig.accepted))


@pytest.mark.parametrize("ledger", ["postgres"])
def test_q16_on_postgres_the_server_ends_its_transaction(build: Build, report: Report, ledger: str) -> None:
    rig = build(ledger, a_ms=5, b_ms=5)
    for role, count in (("reconcile", 1), ("deliver", 1), (UPLOAD, 1)):
        rig.start(role, count=count)
    caught = rig.start(UPLOAD, kept=False)
    rig.ready()

    def inside() -> bool:
        time.sleep(0.6)  # so long it must have been left alone
        return left_alone(rig) > 0

    stop_inside(rig, lambda: caught.process.pid, inside)
    since = time.monotonic()
    held_s = rig.until(lambda: not left_alone(rig), "the server ends it", SERVER_ENDS_SECONDS + 5)
    took = rig.recoveries([job for job, state in rig.states().items() if state != "done"], since, 60)
    rig.all_done(60)
    figures = rig.figures("Q16", recovery_s=took, held_s=round(held_s, 1), effective_writes=rig.effective())
    report(figures)
    assert (figures.lost, figures.duplicates, rig.effective()) == (0, 0, len(rig.accepted))
    assert held_s < SERVER_ENDS_SECONDS
