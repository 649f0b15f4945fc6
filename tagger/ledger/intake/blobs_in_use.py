"""Finds the uploaded bytes that a job may still need, so that the others can be deleted."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, exists, or_, select, text

from tagger.ledger.db.store import Store
from tagger.ledger.tables import dead_letters, job_requests, jobs, word_is


class Bytes(Store):
    def blobs_needed(self, keys: Sequence[str]) -> set[str]:
        """The keys among these whose job is not described yet, or is dead and can be replayed.

        A dead job whose dead letter was discarded can never run again, so its bytes may be deleted.
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
