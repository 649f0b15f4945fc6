"""Stored moments and a clock that is set: what a row says of the future is believed only if the row was not written there.

A row that was written more than AHEAD_MS ahead of the ledger's clock was written before the clock was set back, or by a process
whose clock is ahead. What waits in it is due at once; what runs out in it (a job's deadline) runs anew from now. Without this
rule a clock that is set back by an hour stops everything for an hour. Moments in the past need no rule: they are due.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Table, and_, bindparam, literal_column, or_, select, text, update

from tagger.ids import first_id
from tagger.job import LANES, RETRY_AFTER_MS
from tagger.ledger.db.prepared import Prepared
from tagger.ledger.tables import deliveries, jobs, operator_events, word_is

AHEAD_MS = 6_000  # a lease: within it every clock that is nearly right lies

_ONE = literal_column("1", Integer)
_ACCEPTED = word_is(jobs.c.status, "accepted")
_RUNNING = word_is(jobs.c.status, "running")
_PENDING = word_is(deliveries.c.status, "pending")
_SENDING = word_is(deliveries.c.status, "sending")
_AHEAD: Any = bindparam("ahead")

# What every second asks, by an index alone. A job waits for five minutes at most; the id of a delivery begins with its time.
JOBS_AHEAD = Prepared(
    select(jobs.c.id)
    .where(_ACCEPTED, word_is(jobs.c.lane, *LANES), jobs.c.due_ms > bindparam("far"), jobs.c.updated_ms > _AHEAD)
    .limit(_ONE)
)
DELIVERIES_AHEAD = Prepared(
    select(deliveries.c.id)
    .where(_PENDING, deliveries.c.id > bindparam("ahead_id"), deliveries.c.due_ms > _AHEAD, deliveries.c.updated_ms > _AHEAD)
    .limit(_ONE)
)
MINE = text("SELECT pg_try_advisory_xact_lock(8026340)")  # one at a time: two that update the same rows could wait for each other


def due_by(column: ColumnElement[int], now: Any, longest_ms: int) -> ColumnElement[bool]:
    """Due, or further ahead than it may ever be. For small tables: no index serves it."""
    return or_(column <= now, column > now + longest_ms)


def elapsed(now_ms: int, since_ms: int, span_ms: int) -> bool:
    """Whether `span_ms` have passed since a moment that was stored. One that lies ahead has passed."""
    return not 0 <= now_ms - since_ms < span_ms


def any_ahead(conn: Connection, now_ms: int, *, thorough: bool = False) -> bool:
    """Whether there is something to mend. `thorough`: read all that is open, and not only what an index tells."""
    if not thorough:
        return jobs_ahead(conn, now_ms) or deliveries_ahead(conn, now_ms)
    return any(conn.execute(select(_ONE).where(where).limit(1)).first() for _, where, _ in _changes(now_ms))


def jobs_ahead(conn: Connection, now_ms: int) -> bool:
    return JOBS_AHEAD.any(conn, {"far": now_ms + RETRY_AFTER_MS[-1], "ahead": now_ms + AHEAD_MS})


def deliveries_ahead(conn: Connection, now_ms: int) -> bool:
    ahead = now_ms + AHEAD_MS
    return DELIVERIES_AHEAD.any(conn, {"ahead_id": first_id("dlv", ahead), "ahead": ahead})


def jobs_mended(conn: Connection, now_ms: int) -> bool:
    """Whether jobs are due now that were not; for somebody who found none."""
    return jobs_ahead(conn, now_ms) and mend(conn, now_ms) > 0


def mend(conn: Connection, now_ms: int) -> int:
    """Make due what was written ahead of the clock; returns how many rows were. Reads all that is open: it is for the moment
    in which a clock was set. Another process that does it at the same time is left to it.
    """
    if conn.dialect.name == "postgresql" and not conn.execute(MINE).scalar_one():
        return 0
    changes = _changes(now_ms)
    return sum(conn.execute(update(table).where(where).values(values)).rowcount for table, where, values in changes)


def _changes(now_ms: int) -> tuple[tuple[Table, ColumnElement[bool], dict[str, Any]], ...]:
    """Rows that were written ahead of the clock, and what becomes of them."""
    ahead = now_ms + AHEAD_MS
    at_once = {"due_ms": now_ms, "updated_ms": now_ms}
    anew = {"due_ms": now_ms, "claimed_ms": now_ms, "deadline_ms": now_ms + jobs.c.deadline_ms - jobs.c.claimed_ms}
    told = and_(operator_events.c.at_ms > ahead, operator_events.c.due_ms > ahead)
    return (
        (jobs, and_(_ACCEPTED, jobs.c.due_ms > ahead, jobs.c.updated_ms > ahead), at_once),
        (jobs, and_(_RUNNING, jobs.c.claimed_ms > ahead), anew),  # due: should it be given back
        (deliveries, and_(_PENDING, deliveries.c.due_ms > ahead, deliveries.c.updated_ms > ahead), at_once),
        (deliveries, and_(_SENDING, deliveries.c.updated_ms > ahead), {"updated_ms": now_ms}),
        (operator_events, told, {"due_ms": now_ms}),
    )
