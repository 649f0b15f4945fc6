"""The engines of SQLite: the begin of a transaction, the settings of a connection, and the permissions of the file.

A transaction begins in the dialect, not in an event of the engine. One event listener makes SQLAlchemy search for listeners at
every statement, which costs an eighth of the time of a job's statements.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL
from sqlalchemy.pool import PoolProxiedConnection

from tagger.errors import LedgerDamaged, LedgerUnavailable, SettingsError

LOCK_WAIT_SECONDS = 30.0  # how long a writer waits for the other processes
MAGIC = b"SQLite format 3\0"  # the first bytes of every database that is not empty
BUSY_MS = 30_000  # how long a reader waits; only during recovery does one have to


class ReadingDialect(SQLiteDialect_pysqlite):
    """All reads of a transaction see the same state."""

    supports_statement_cache = True

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        driver: Any = dbapi_connection.dbapi_connection
        driver.execute("BEGIN")


class WritingDialect(SQLiteDialect_pysqlite):
    """A transaction begins with the write lock, so that it cannot fail to get it later."""

    supports_statement_cache = True

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        _begin_immediate(dbapi_connection.dbapi_connection)


registry.register("sqlite.tagger_reading", __name__, "ReadingDialect")
registry.register("sqlite.tagger_writing", __name__, "WritingDialect")


def make_engines(url: URL, **more: Any) -> tuple[Engine, Engine]:
    """(writer, reader): one connection for the writer thread, a pool for reads."""
    _make_file(Path(url.database or ""))
    args = {"check_same_thread": False, "timeout": BUSY_MS / 1000, "isolation_level": None, "cached_statements": 256}
    writing, reading = url.set(drivername="sqlite+tagger_writing"), url.set(drivername="sqlite+tagger_reading")
    writer = create_engine(writing, pool_size=1, max_overflow=1, connect_args=args, **more)
    # opening a connection costs more than a read: all that task threads may need at once are kept
    reader = create_engine(reading, pool_size=32, max_overflow=0, pool_timeout=10, connect_args=args, **more)
    event.listen(writer, "connect", lambda dbapi, _: _prepare(dbapi, writes=True))
    event.listen(reader, "connect", lambda dbapi, _: _prepare(dbapi, writes=False))
    return writer, reader


def _prepare(dbapi: sqlite3.Connection, writes: bool) -> None:
    dbapi.execute("PRAGMA journal_mode = WAL").fetchall()
    dbapi.execute("PRAGMA synchronous = FULL")  # survives a power cut, not only a crash
    dbapi.execute("PRAGMA foreign_keys = ON")
    dbapi.execute("PRAGMA journal_size_limit = 67108864")
    dbapi.execute(f"PRAGMA busy_timeout = {0 if writes else BUSY_MS}")  # the writer waits in `_begin_immediate`, more fairly
    if not writes:
        dbapi.execute("PRAGMA query_only = ON")


def wait_for_disk(conn: Connection, durable: bool) -> None:
    """Set whether commits of this connection wait for the disk. Call it outside of a transaction."""
    if conn.info.get("durable", True) != durable:
        driver: Any = conn.connection.driver_connection
        driver.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        conn.info["durable"] = durable


def _make_file(path: Path) -> None:
    """Create the file so that only its owner may read it, because it holds the secrets of the sites. The journal gets the same
    permissions."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600))
        if not path.is_file():
            raise SettingsError(f"ledger_url: {path} is no plain file.")
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except OSError as err:
        raise SettingsError(f"ledger_url: {path} cannot be opened: {err.strerror}.") from err
    if head and head != MAGIC:
        raise LedgerDamaged(f"{path} is no SQLite database.")


def is_damaged(err: sqlite3.Error) -> bool:
    return getattr(err, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def _begin_immediate(driver: Any) -> None:
    """Take the single write lock of SQLite. SQLite's own wait grows to 100 ms and starves; this loop asks every 1–3 ms."""
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            driver.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as err:
            if not _is_busy(err):
                raise
            if time.monotonic() > deadline:
                raise LedgerUnavailable(f"Another process held the ledger's write lock for {LOCK_WAIT_SECONDS:.0f} s.") from err
            time.sleep(random.uniform(0.001, 0.003))


def _is_busy(err: sqlite3.OperationalError) -> bool:
    return (err.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
