"""Takes back the crash of jobs whose worker was declared dead although it only waited for a processor."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update

from tagger.errors import CrashedTooOften
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.failures.dead_letters import replay_job
from tagger.ledger.tables import dead_letters, jobs, word_is, workers
from tagger.ledger.tables.rows import JobRow

MOST_ATTEMPTS = 3  # an image that really stops its process is acquitted no more often than this, and then dies of its crashes


class Acquittal(Store):
    def acquit(self, worker_id: str, job_ids: Collection[str]) -> int:
        """One crash less for each of these jobs, which this worker held when it was declared dead. Returns for how many.

        The crash becomes a failed attempt, and a job with `MOST_ATTEMPTS` of them is not acquitted, so every job ends. A job that
        ended as a dead letter because of its crashes starts again, with its other crashes. A living worker, and one that ended by
        itself, has nothing to take back. The caller asks once, and then ends.
        """

        def work(tx: Tx) -> int:
            ended_ms = tx.conn.execute(select(workers.c.ended_ms).where(workers.c.id == worker_id)).scalar()
            if ended_ms is None:
                return 0
            charged = select(jobs).where(jobs.c.id.in_(list(job_ids)), jobs.c.crashes > 0, jobs.c.updated_ms >= ended_ms)
            charged = charged.where(jobs.c.attempts < MOST_ATTEMPTS)
            charged = charged.where(word_is(jobs.c.status, "accepted", "running", "dead")).order_by(jobs.c.id)
            return sum(_acquit(tx, row) for row in tx.conn.execute(charged.with_for_update()).all())

        return self._write(work)


def _acquit(tx: Tx, row: JobRow) -> bool:
    if row.status == "dead":
        letter = select(dead_letters.c.id).where(dead_letters.c.id == row.id, dead_letters.c.code == CrashedTooOften.code)
        if tx.conn.execute(letter).scalar() is None or not replay_job(tx, row.id):
            return False
    left = {"crashes": row.crashes - 1, "solo_crashes": max(0, row.solo_crashes - 1), "attempts": row.attempts + 1}
    tx.conn.execute(update(jobs).where(jobs.c.id == row.id).values(left))
    return True
