"""Stored times after a change of the clock. A stored time in the future is used only if its row was not written in the future.

If a row was written more than AHEAD_MS ahead of the ledger's clock, then the clock was set back after that, or another process
has a clock that is ahead. In such a row, a waiting time is due at once, and a deadline starts again from now. Without this rule,
a clock that is set back by one hour would stop everything for one hour. Times in the past need no rule: they are due.
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

# Asked every second, with index lookups only. A job waits five minutes at most; the id of a delivery begins with its time.
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
MINE = text("SELECT pg_try_advisory_xact_lock(8026340)")  # one process at a time: two that update the same rows could deadlock


def due_by(column: ColumnElement[int], now: Any, longest_ms: int) -> ColumnElement[bool]:
    """The time is due, or further ahead than possible. Only for small tables, because no index is used."""
    return or_(column <= now, column > now + longest_ms)


def elapsed(now_ms: int, since_ms: int, span_ms: int) -> bool:
    """Whether `span_ms` have passed since a stored time. A time in the future counts as passed."""
    return not 0 <= now_ms - since_ms < span_ms


def any_ahead(conn: Connection, now_ms: int, *, thorough: bool = False) -> bool:
    """Whether there are rows to repair. `thorough`: read all open rows, not only those that an index finds."""
    if not thorough:
        return jobs_ahead(conn, now_ms) or deliveries_ahead(conn, now_ms)
    return any(conn.execute(select(_ONE).where(where).limit(1)).first() for _, where, _ in _changes(now_ms))


def jobs_ahead(conn: Connection, now_ms: int) -> bool:
    return JOBS_AHEAD.any(conn, {"far": now_ms + RETRY_AFTER_MS[-1], "ahead": now_ms + AHEAD_MS})


def deliveries_ahead(conn: Connection, now_ms: int) -> bool:
    ahead = now_ms + AHEAD_MS
    return DELIVERIES_AHEAD.any(conn, {"ahead_id": first_id("dlv", ahead), "ahead": ahead})


def jobs_mended(conn: Connection, now_ms: int) -> bool:
    """Make jobs due that were written ahead of the clock, for a caller that found no job. Returns whether there were any."""
    return jobs_ahead(conn, now_ms) and mend(conn, now_ms) > 0


def mend(conn: Connection, now_ms: int) -> int:
    """Make all rows due that were written ahead of the clock. Returns how many.

    It reads all open rows, so call it only after a change of the clock. If another process does it at the same time, this call
    does nothing.
    """
    if conn.dialect.name == "postgresql" and not conn.execute(MINE).scalar_one():
        return 0
    changes = _changes(now_ms)
    return sum(conn.execute(update(table).where(where).values(values)).rowcount for table, where, values in changes)


def _changes(now_ms: int) -> tuple[tuple[Table, ColumnElement[bool], dict[str, Any]], ...]:
    """The rows that were written ahead of the clock, and their new values."""
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
