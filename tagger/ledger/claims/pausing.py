"""Jobs of a paused backfill wait in a lane without workers. So no claim, count or hint has to skip them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select, update

from tagger.job import SOLO_AFTER_CRASHES, Lane
from tagger.ledger.db import counters
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import backfills, jobs, word_is
from tagger.ledger.tables.rows import JobRow

SET_ASIDE: Any = counters.SET_ASIDE
CHUNK = 500  # jobs that one closure moves

STATUS = select(backfills.c.status).where(backfills.c.id == bindparam("backfill"))
STATUS_HELD = STATUS.with_for_update(read=True)  # a resume waits for the process that moves a job away, then finds the job
UNCLAIMED = select(jobs).where(jobs.c.backfill_id == bindparam("backfill"), word_is(jobs.c.status, "accepted"))
TO_SET_ASIDE = UNCLAIMED.where(word_is(jobs.c.lane, "backfill", "solo")).limit(CHUNK).with_for_update(skip_locked=True)
TO_PUT_BACK = UNCLAIMED.where(word_is(jobs.c.lane, SET_ASIDE)).limit(CHUNK).with_for_update(skip_locked=True)
FREE = {"status": "accepted", "lane": SET_ASIDE, "token": None, "worker_id": None, "deadline_ms": None, "hinted_ms": None}


def set_aside_if_paused(tx: Tx, row: JobRow) -> bool:
    """Whether the job of `row`, claimed in this transaction, was moved away because its backfill is paused.

    A job that became an upload is not moved, because a person waits for it.
    """
    if row.backfill_id is None or row.lane == "upload" or not _is_paused(tx, row.backfill_id):
        return False
    tx.conn.execute(update(jobs).where(jobs.c.id == row.id).values(FREE))
    _count(tx, row, row.lane, SET_ASIDE)
    return True


def _is_paused(tx: Tx, backfill_id: str) -> bool:
    key, which = ("paused", backfill_id), {"backfill": backfill_id}
    if key not in tx.memo:
        paused = tx.conn.execute(STATUS, which).scalar() == "paused"
        tx.memo[key] = paused and tx.conn.execute(STATUS_HELD, which).scalar() == "paused"
    return bool(tx.memo[key])


def move_some(tx: Tx, backfill_id: str, status: str) -> int:
    """Set unclaimed jobs of a paused backfill aside, or put those of a running one back. Returns how many were moved; 0: none
    is left. The caller holds the row of the backfill."""
    if status not in ("paused", "running"):
        return 0
    rows = tx.conn.execute(TO_SET_ASIDE if status == "paused" else TO_PUT_BACK, {"backfill": backfill_id}).all()
    by_lane: dict[Lane, list[str]] = {}
    for row in rows:
        lane: Lane = SET_ASIDE if status == "paused" else "solo" if row.crashes >= SOLO_AFTER_CRASHES else "backfill"
        by_lane.setdefault(lane, []).append(row.id)
        _count(tx, row, row.lane, lane)
    for lane, ids in by_lane.items():
        tx.conn.execute(update(jobs).where(jobs.c.id.in_(ids)).values(lane=lane, hinted_ms=None))
    return len(rows)


def _count(tx: Tx, row: JobRow, old: Lane, new: Lane) -> None:
    moved: dict[str, Any] = {"old": (old, "accepted"), "new": (new, "accepted")}
    counters.job_moved(tx, site_id=row.site_id, backfill_id=row.backfill_id, **moved)
