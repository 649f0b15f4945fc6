"""Finds the assets of a backfill's page whose present version a hook has already brought.

A job of a hook has the identity of its event, and a job of a backfill that of its revision. So equal identities do not tell it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from tagger.job import JobRequest
from tagger.ledger.db.writer import Tx
from tagger.ledger.intake.repeated import falls_short
from tagger.ledger.tables import job_requests, jobs
from tagger.ledger.values import Accepted

LIVE = ("accepted", "running", "described", "done")


def described_by_hook(tx: Tx, requests: Sequence[JobRequest]) -> Mapping[str, Accepted]:
    """Asset → its newest job, if a hook made it for the same revision and it writes all that is asked for.

    `requests`: of one site and one profile, one for each asset. One that asks for a new description is left out.
    """
    asked = {one.asset_id: one for one in requests if one.asset_revision is not None and not one.anew}
    if not asked:
        return {}
    some = requests[0]
    mine = (
        (jobs.c.site_id == some.site_id) & jobs.c.asset_id.in_(list(asked)) & (jobs.c.profile == some.profile) & jobs.c.delivers
    )
    newest = select(func.max(jobs.c.id)).where(mine).group_by(jobs.c.asset_id)
    stmt = select(jobs.c.asset_id, jobs.c.id, jobs.c.status, jobs.c.created_ms, job_requests.c.body)
    stmt = stmt.join(job_requests, job_requests.c.job_id == jobs.c.id).where(jobs.c.id.in_(newest))
    return {
        row.asset_id: Accepted(job_id=row.id, created=False, status=row.status, created_ms=row.created_ms)
        for row in tx.conn.execute(stmt)
        if _covers(row, asked[row.asset_id])
    }


def _covers(row: Any, request: JobRequest) -> bool:
    body = row.body
    same = body["event_id"] is not None and body["asset_revision"] == request.asset_revision
    return same and row.status in LIVE and not falls_short(body, request)
