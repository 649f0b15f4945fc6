"""Q17 and Q18: the whole machine is stopped; clocks are set while jobs run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from faults.figures import LONG, Figures
from faults.harness import UPLOAD, Rig, Slot

Build = Callable[..., Rig]
Report = Callable[[Figures], None]

LEASE_SECONDS = 6
STILL_SECONDS = 15 if LONG else 8  # longer than a lease, and than twice the decoder's limit
LARGE = 5_000  # pixels a side: some tenths of a second in a decoder
CLOCK = Path(__file__).parent / "clock"
SERVER_CLOCK = (
    "CREATE TABLE public.test_clock AS SELECT 0 AS seconds",
    "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
    "'SELECT pg_catalog.clock_timestamp() + seconds * interval ''1 second'' FROM public.test_clock'",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$",
)


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
    time.sleep(STILL_SECONDS)  # the fault itself
    for one in all_of_them:
        one.send_signal(signal.SIGCONT)
    took = rig.recoveries(open_jobs, time.monotonic(), 60)
    charged = rig.charged(list(rig.accepted))
    figures = rig.figures("Q17", recovery_s=took, still_s=STILL_SECONDS, open=len(open_jobs), charged=charged, falls=rig.falls())
    report(figures)
    assert (figures.lost, figures.duplicates, charged, rig.count("dead")) == (0, 0, 0, 0)
    assert [slot.process.pid for slot in rig.slots] == pids
    assert rig.effective() == len(rig.accepted)


class Clocks:
    """What the product's processes, and the server of PostgreSQL, hold for the time: the real one and so many seconds."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = folder / "clock"
        self._file.write_text("0")
        monkeypatch.setenv("TEST_CLOCK", str(self._file))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(CLOCK), os.environ.get("PYTHONPATH", "")]))
        self._rig: Rig | None = None

    def of(self, rig: Rig) -> None:
        """The rig's receiver and its server too. A server's function is found under its name in `public` first."""
        self._rig = rig
        if rig.ledger_name == "postgres":
            with rig.reader.begin() as conn:
                for statement in SERVER_CLOCK:
                    conn.execute(text(statement))
            rig.reader.dispose()  # the order of schemas holds for new connections

    def set(self, seconds: int) -> None:
        assert self._rig is not None
        self._rig.receiver.clock = lambda: time.time() + seconds
        if self._rig.ledger_name == "postgres":
            with self._rig.reader.begin() as conn:
                conn.execute(text("UPDATE public.test_clock SET seconds = :seconds"), {"seconds": seconds})
        self._file.write_text(str(seconds))


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_q18_the_clock_of_all_is_set_by_an_hour_back_and_ahead(
    build: Build, report: Report, ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's clock, and that of the server of PostgreSQL: an hour back, and ahead again when all is done."""
    clocks = Clocks(tmp_path, monkeypatch)
    rig = build(ledger, a_ms=10, b_ms=40)
    clocks.of(rig)
    for role, count in (("api", 1), ("reconcile", 1), ("deliver", 1), (UPLOAD, 2)):
        rig.start(role, count=count)
    rig.ready()
    for falls, seconds in enumerate((-3600, 0), start=1):
        before = [rig.put().json()["id"] for _ in range(60)]
        rig.until(lambda first=before[0]: rig.states([first]) == {first: "done"}, "work is under way")  # type: ignore[misc]
        victim = rig.working(UPLOAD)[0]

        def holds(victim: Slot = victim, before: list[str] = before) -> bool:
            """More work until it holds some: on a busy machine the first sixty may be done by then."""
            if not rig.held(victim):
                before.append(rig.put().json()["id"])
            return bool(rig.held(victim))

        rig.until(holds, "the worker that is killed holds jobs")
        clocks.set(seconds)
        rig.kill(victim)
        since = time.monotonic()
        ids = [*before, *(rig.put().json()["id"] for _ in range(10))]
        took = rig.recoveries(ids, since, 60)
        accepted_s = rig.ledger.job(ids[-1]).created_ms / 1000
        assert abs(accepted_s - time.time() - seconds) < 60, "the ledger's clock was set"
        hours = round(seconds / 3600) or 1
        figures = rig.figures("Q18", ids=ids, recovery_s=took, hours=hours, falls=rig.falls(), effective_writes=rig.effective())
        report(figures)
        assert (figures.lost, figures.duplicates, rig.effective()) == (0, 0, len(rig.accepted))
        assert rig.falls() == falls, "nobody but the one that was killed"
        assert max(took) < 3 * LEASE_SECONDS, "the jobs of the killed worker wait for one lease, and are done then"
        rig.until(lambda: len(rig.working(UPLOAD)) == 2, "another worker stands in its place")
