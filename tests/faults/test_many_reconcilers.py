"""Q15: eight reconcilers above a great many unfinished rows, while workers and reconcilers are killed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from faults.figures import LONG, Figures
from faults.harness import BACKFILL, Rig, png
from tagger.asset import ImageSource
from tagger.job import JobRequest
from tagger.ledger.tables import job_requests, jobs

Build = Callable[..., Rig]
Report = Callable[[Figures], None]

ROWS = 1_000_000 if LONG else 20_000
SECONDS = 90 if LONG else 20
KILL_EVERY_SECONDS = 4.0
WINDOW = 500
THREADS = 16

NUMBERS = {
    "sqlite": "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) SELECT i FROM n)",
    "postgres": "(SELECT generate_series(1, :rows) AS i)",
}
NEW = {  # what must differ in each copy of a job
    "sqlite": {
        "id": "jobs.id || printf('%08d', i)",
        "asset_id": "'asset-' || i",
        "identity": "randomblob(32)",
    },
    "postgres": {
        "id": "jobs.id || lpad(i::text, 8, '0')",
        "asset_id": "'asset-' || i",
        "identity": "decode(md5(i::text) || md5('x' || i), 'hex')",
    },
}
COUNT = text(
    "UPDATE counters SET value = value + :rows WHERE (scope = 'job' AND owner = 'backfill' AND word = 'accepted') "
    "OR (scope = 'site' AND owner = 'site' AND word = 'open')"
)


def fill(rig: Rig, ledger: str) -> None:
    """ROWS copies of one accepted job, in bulk: an upload of each would take an hour."""
    picture = rig.pictures / "one.png"
    picture.write_bytes(png(rig.colour()))
    source = ImageSource(kind="file", location=str(picture), root=str(rig.pictures))
    # Without deliveries: all copies share one request, and one asset's words would supersede each other.
    request = JobRequest(site_id="site", asset_id="asset", source=source, lane="backfill", deliver=False)
    template = rig.ledger.accept([request])[0].job_id
    numbers, new = NUMBERS[ledger], NEW[ledger]
    columns = [column.name for column in jobs.columns]
    values = ", ".join(new.get(name, f"jobs.{name}") for name in columns)
    copy = f"INSERT INTO jobs ({', '.join(columns)}) SELECT {values} FROM jobs, {numbers} AS n WHERE jobs.id = :job"
    bodies = (
        f"INSERT INTO {job_requests.name} (job_id, body) SELECT {new['id']}, r.body "
        f"FROM jobs, {job_requests.name} AS r, {numbers} AS n WHERE jobs.id = :job AND r.job_id = jobs.id"
    )
    with rig.reader.begin() as conn:
        conn.execute(text(copy), {"job": template, "rows": ROWS})
        conn.execute(text(bodies), {"job": template, "rows": ROWS})
        assert conn.execute(COUNT, {"rows": ROWS}).rowcount == 2
    if ledger == "postgres":
        with rig.reader.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(text("ANALYZE"))


class Depth:
    """The most hints that were ever seen waiting in the lane's queue."""

    def __init__(self, rig: Rig) -> None:
        self.most, self._raw = 0, rig.redis()

    def wait(self, seconds: float) -> None:
        """Looks all the while."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.most = max(self.most, int(self._raw.llen("backfill")))
            time.sleep(0.01)


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_q15_eight_reconcilers_and_kills(build: Build, report: Report, ledger: str) -> None:
    rig = build(ledger, a_ms=2, b_ms=1, window=WINDOW, threads=THREADS)
    fill(rig, ledger)
    rig.start("reconcile", count=8)
    rig.start(BACKFILL, count=2)
    rig.ready(120)
    depth = Depth(rig)
    began, kills, at_kill = time.monotonic(), 0, 0
    while time.monotonic() - began < SECONDS:
        ended = rig.count("done")
        depth.wait(0.02)
        rig.until(lambda ended=ended: rig.count("done") > ended, "the work goes on", 60)  # type: ignore[misc]
        if time.monotonic() - began > (kills + 1) * KILL_EVERY_SECONDS:
            victim = rig.rng.choice(rig.working(BACKFILL if kills % 2 else "reconcile"))
            at_kill += len(rig.held(victim))
            rig.kill(victim)
            kills += 1
        depth.wait(0.1)
    took = time.monotonic() - began
    with rig.redis() as raw:
        messages = int(raw.info("commandstats")["cmdstat_lpush"]["calls"])
        waiting = int(raw.llen("backfill"))
    handled = rig.count("done") + rig.running() + waiting
    allowed = 1.1 * handled + 2 * THREADS * kills
    figures = Figures(
        fault="Q15", ledger=ledger, accepted=ROWS + 1, lost=lost(rig), duplicates=0,
        more={
            "unfinished": rig.count("accepted"), "kills": kills, "in_flight_at_kills": at_kill, "messages": messages,
            "allowed": round(allowed), "queue_most": depth.most, "queue_allowed": round(1.2 * WINDOW),
            "done_per_s": round(rig.count("done") / took),
        },
    )  # fmt: skip
    report(figures)
    assert figures.lost == 0
    assert messages <= allowed
    assert depth.most <= 1.2 * WINDOW
    assert rig.count("dead") == 0


def lost(rig: Rig) -> int:
    """Rows that the ledger no longer knows, and those that stand in no state of the way."""
    with rig.reader.connect() as conn:
        states = text("SELECT count(*) FROM jobs WHERE status IN ('accepted', 'running', 'done')")
        return ROWS + 1 - int(conn.execute(states).scalar_one())
