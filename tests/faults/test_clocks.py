"""Q17 and Q18: the whole machine stands still; clocks are set while work is under way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from faults.figures import LONG, Figures
from faults.harness import UPLOAD, Rig

Build = Callable[..., Rig]
Report = Callable[[Figures], None]

LEASE_S = 6
STILL_S = 15 if LONG else 8  # longer than a lease, and than twice the decoder's limit
LARGE = 5_000  # pixels a side: some tenths of a second in a decoder
CLOCK = Path(__file__).parent / "clock"


def processes(rig: Rig) -> list[psutil.Process]:
    """All of the product's, decoders and broker included."""
    assert rig.broker.pid is not None
    parents = [psutil.Process(slot.process.pid) for slot in rig.slots]
    return [*parents, *(child for parent in parents for child in parent.children(recursive=True)), psutil.Process(rig.broker.pid)]


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_q17_the_whole_machine_stands_still(build: Build, report: Report, ledger: str) -> None:
    rig = build(ledger, a_ms=10, b_ms=40, decode_seconds=2.0)
    for role in ("reconcile", "deliver", UPLOAD):
        rig.start(role)
    rig.ready()
    pids = [slot.process.pid for slot in rig.slots]
    rig.submit(40)
    rig.accept(6, side=LARGE)
    rig.until(lambda: rig.count("done") >= 4, "work is under way")
    all_of_them = processes(rig)
    for one in all_of_them:
        one.send_signal(signal.SIGSTOP)
    open_jobs = [job for job, state in rig.states().items() if state in ("accepted", "running", "described")]
    time.sleep(STILL_S)  # the fault itself
    for one in all_of_them:
        one.send_signal(signal.SIGCONT)
    took = rig.recoveries(open_jobs, time.monotonic(), 60)
    charged = rig.charged(list(rig.accepted))
    figures = rig.figures("Q17", recovery_s=took, still_s=STILL_S, open=len(open_jobs), charged=charged, falls=rig.falls())
    report(figures)
    assert (figures.lost, figures.duplicates, charged, rig.count("dead")) == (0, 0, 0, 0)
    assert [slot.process.pid for slot in rig.slots] == pids
    assert rig.effective() == len(rig.accepted)


@pytest.mark.parametrize("hours", [-1, 1], ids=["back", "ahead"])
def test_q18_the_clock_of_all_is_set_by_an_hour(
    build: Build, report: Report, hours: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite, whose clock is the machine's; the ledger cases set the clock of PostgreSQL."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    monkeypatch.setenv("TEST_CLOCK", str(clock))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(CLOCK), os.environ.get("PYTHONPATH", "")]))
    rig = build("sqlite", a_ms=10, b_ms=40)
    for role, count in (("api", 1), ("reconcile", 1), ("deliver", 1), (UPLOAD, 2)):
        rig.start(role, count=count)
    rig.ready()
    before = [rig.put().json()["id"] for _ in range(60)]
    rig.until(lambda: rig.count("done") >= 4, "work is under way")
    victim = rig.working(UPLOAD)[0]
    rig.until(lambda: bool(rig.held(victim)), "the worker that is killed holds jobs")
    rig.receiver.clock = lambda: time.time() + hours * 3600
    clock.write_text(str(hours * 3600))
    rig.kill(victim)
    since = time.monotonic()
    after = [rig.put().json()["id"] for _ in range(10)]
    took = rig.recoveries([*before, *after], since, 60)
    figures = rig.figures("Q18", recovery_s=took, hours=hours, falls=rig.falls(), effective_writes=rig.effective())
    report(figures)
    assert (figures.lost, figures.duplicates, rig.effective()) == (0, 0, len(rig.accepted))
    assert rig.falls() == 1, "nobody but the one that was killed"
    assert max(took) < 3 * LEASE_S, "the jobs of the killed wait for a lease, in which a beat is watched, and are done then"
