"""The time of the last change of an asset, and the text that tagger's last write replaced, so that it can be undone."""

from __future__ import annotations

import sqlite3
import time

SCHEMA = """
CREATE TABLE IF NOT EXISTS changes (asset TEXT PRIMARY KEY, at_ms INTEGER NOT NULL);
-- value null: the field was never set.
CREATE TABLE IF NOT EXISTS replaced (
  asset TEXT NOT NULL, field TEXT NOT NULL, locale TEXT NOT NULL, delivery TEXT NOT NULL, value TEXT,
  PRIMARY KEY (asset, field, locale));
"""


def touch(db: sqlite3.Connection, asset_id: str) -> None:
    db.execute("INSERT OR REPLACE INTO changes (asset, at_ms) VALUES (?, ?)", (asset_id, time.time_ns() // 1_000_000))


def keep_replaced(db: sqlite3.Connection, asset_id: str, field: str, locale: str, delivery: str, value: str | None) -> None:
    row = (asset_id, field, locale, delivery, value)
    db.execute("INSERT OR REPLACE INTO replaced (asset, field, locale, delivery, value) VALUES (?, ?, ?, ?, ?)", row)


def previous(db: sqlite3.Connection, asset_id: str, field: str, locale: str, delivery: str) -> dict[str, str | None]:
    """`previous` of an answer, if this delivery wrote the text."""
    stmt = "SELECT value FROM replaced WHERE asset = ? AND field = ? AND locale = ? AND delivery = ?"
    row = db.execute(stmt, (asset_id, field, locale, delivery)).fetchone()
    return {} if row is None else {"previous": row["value"]}
