"""Which uploaded bytes a job may still want, for the sweep of the others."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, exists, or_, select, text

from tagger.ledger.db.store import Store
from tagger.ledger.tables import dead_letters, job_requests, jobs, word_is


class Bytes(Store):
    def blobs_needed(self, keys: Sequence[str]) -> set[str]:
        """Of these keys of uploaded bytes, those of jobs that are open before their description, or dead and replayable.

        A dead job whose letter was discarded can never run again, so its bytes may go.
        """
        replayable = exists().where(dead_letters.c.id == jobs.c.id)
        location = job_requests.c.body["source"]["location"].as_string()
        needing = (
            select(location)
            .join_from(jobs, job_requests, job_requests.c.job_id == jobs.c.id)
            .where(text("jobs.status <> 'done'"))  # names the index
            .where(or_(word_is(jobs.c.status, "accepted", "running"), and_(word_is(jobs.c.status, "dead"), replayable)))
            .where(location.in_(keys))
        )
        return set(self._read(lambda conn: list(conn.execute(needing).scalars()))) if keys else set()
