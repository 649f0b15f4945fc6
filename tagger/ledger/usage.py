"""What each site uses of its quotas: stored counters of open jobs, and of uploaded bytes by the UTC day."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, and_

from tagger.ledger.db import counters
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import counters as table
from tagger.ledger.values import Usage

UPLOADED = "uploaded"  # scope; its words are days, such as 2026-11-30


def count_bytes(tx: Tx, site_id: str, number: int) -> None:
    tx.add(UPLOADED, site_id, day_of(tx.now_ms), number)


def read(conn: Connection, site_id: str, now_ms: int) -> Usage:
    open_jobs = counters.read(conn, "site", site_id).get((site_id, "open"), 0)
    uploaded = counters.read(conn, UPLOADED, site_id).get((site_id, day_of(now_ms)), 0)
    return Usage(open_jobs=open_jobs, bytes_today=uploaded)


def before(now_ms: int) -> ColumnElement[bool]:
    """The counters of days that have ended."""
    return and_(table.c.scope == UPLOADED, table.c.word < day_of(now_ms))


def day_of(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()
