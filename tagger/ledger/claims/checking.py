"""Which workers take the jobs that only check a text: those that can, as long as the lane has one."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, String, and_, bindparam, exists, literal_column, or_, select

from tagger.job import Lane
from tagger.ledger.claims.workers import ALIVE
from tagger.ledger.db.prepared import Prepared
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import job_requests, jobs, workers

CHECKS_TEXT: ColumnElement[bool] = exists().where(
    job_requests.c.job_id == jobs.c.id, job_requests.c.body["check_text"].as_string().is_not(None)
)
CANNOT = Prepared(select(workers.c.id).where(workers.c.id == bindparam("worker"), workers.c.checks.is_(False)))
_LIVES = and_(ALIVE, workers.c.beat_ms.between(bindparam("since"), bindparam("until")))
# A worker that did not say, because its version is older, is taken for one that can.
CAN = Prepared(
    select(workers.c.id)
    .where(
        or_(_LIVES, workers.c.ended_ms.between(bindparam("since"), bindparam("until"))),
        workers.c.role == literal_column("'tag'", String),
        workers.c.lane == bindparam("of_lane"),
        workers.c.checks.is_not(False),
    )
    .limit(literal_column("1"))
)
RESTART_MS = 120_000  # in which a worker that ended is expected back


def leaves_checks(conn: Connection, worker_id: str, lane: Lane, now_ms: int) -> bool:
    """Whether this worker cannot check texts, and one of its lane that can is alive, or was a moment ago. If there is none, it
    takes these jobs too. They fail with the remedy: nobody waits for a worker that never comes.
    """
    if not CANNOT.any(conn, {"worker": worker_id}):
        return False
    return CAN.any(conn, {"of_lane": lane, "since": now_ms - RESTART_MS, "until": now_ms + RESTART_MS})


def leaves_checks_now(tx: Tx, worker_id: str, lane: Lane) -> bool:
    """The same, read once for a group of transactions."""
    key = ("leaves_checks", worker_id)
    if key not in tx.memo:
        tx.memo[key] = leaves_checks(tx.conn, worker_id, lane, tx.now_ms)
    return bool(tx.memo[key])
