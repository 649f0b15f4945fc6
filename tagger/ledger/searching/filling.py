"""Makes what search reads for jobs that an older version completed, before and during an upgrade."""

from __future__ import annotations

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.ids import first_id, instant_of
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.jobs import load_jobs
from tagger.ledger.searching.describing import store_found
from tagger.ledger.tables import described_assets, job_results, jobs, ticks

PROGRESS = "search"  # of the chore, among the ticks: jobs that began before this time were looked at
YOUNG_MS = 3_600_000  # a job may be open for a while; what this version completes needs no look at all


class Filling(Store):
    def fill_described(self, limit: int = 200) -> int:
        """Look at the next jobs by their age, and at all of the last one's millisecond; how many were looked at."""
        now_ms = self.now_ms()
        done_ms = self._read(_progress)
        ids = self._read(lambda conn: _next(conn, done_ms, now_ms - YOUNG_MS, limit))
        if not ids:
            return 0

        def work(tx: Tx) -> int:
            # locked, so that what is erased meanwhile is not made findable again
            rows = tx.conn.execute(select(jobs).where(jobs.c.id.in_(ids)).order_by(jobs.c.id).with_for_update()).all()
            for job in load_jobs(tx.conn, rows):
                if job.description is not None and not _newer(tx, job.site_id, job.asset_id, job.id):
                    asset = job.site_id, job.asset_id
                    store_found(tx, asset, job.id, job.description, job.request.context, at_ms=job.created_ms)
            _advance(tx, instant_of(ids[-1]) + 1)
            return len(ids)

        return self._write(work)


def _progress(conn: Connection) -> int:
    return conn.execute(select(ticks.c.at_ms).where(ticks.c.name == PROGRESS)).scalar_one_or_none() or 0


def _next(conn: Connection, from_ms: int, before_ms: int, limit: int) -> list[str]:
    stmt = select(jobs.c.id).join(job_results, job_results.c.job_id == jobs.c.id)
    stmt = stmt.where(jobs.c.id >= first_id("job", from_ms)).order_by(jobs.c.id)
    ids = list(conn.execute(stmt.where(jobs.c.id < first_id("job", max(before_ms, 0))).limit(limit)).scalars())
    if len(ids) == limit:
        rest = stmt.where(jobs.c.id > ids[-1], jobs.c.id < first_id("job", instant_of(ids[-1]) + 1))
        ids += conn.execute(rest).scalars()
    return ids


def _newer(tx: Tx, site_id: str, asset_id: str, job_id: str) -> bool:
    mine = (described_assets.c.site_id == site_id, described_assets.c.asset_id == asset_id, described_assets.c.job_id >= job_id)
    return tx.conn.execute(select(described_assets.c.job_id).where(*mine)).first() is not None


def _advance(tx: Tx, at_ms: int) -> None:
    stmt = insert(ticks).values(name=PROGRESS, at_ms=at_ms, count=0)
    tx.conn.execute(stmt.on_conflict_do_update(index_elements=["name"], set_={"at_ms": stmt.excluded.at_ms}))
