"""Connections to SQLite or PostgreSQL, the ledger's clock, and what a driver's errors mean to us."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    TimeoutError,
)

from tagger.errors import LedgerUnavailable, SettingsError

log = structlog.get_logger()

Clock = Callable[[], int]

QUIET: dict[str, Any] = {"hide_parameters": True}  # an error's text must not hold what was to be stored: some are secrets

LOCK_WAIT_S = 30.0  # SQLite: how long a writer waits for the other processes
BUSY_MS = 30_000  # SQLite: how long a reader waits; only during recovery does one have to

# PostgreSQL: a process that is stopped inside a transaction loses its session after 3 s, before others give up at 5 s,
# and both come before a worker's lease of 6 s could end.
IDLE_IN_TRANSACTION_MS = 3_000
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 15_000
PG_CONNECT: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "tagger",
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # ms; a black-holed connection ends instead of hanging
}


def parse_url(url: str) -> URL:
    """The URL with its driver. Errors: SettingsError for what is neither SQLite nor PostgreSQL."""
    try:
        parsed = make_url(url)
    except ArgumentError as err:
        raise SettingsError(f"ledger_url: {err}") from None
    name = parsed.get_backend_name()
    if name == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise SettingsError("ledger_url: SQLite needs a file; several processes share it.")
        return parsed.set(drivername="sqlite")
    if name in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise SettingsError(f"ledger_url: {name!r} is neither sqlite nor postgresql.")


def make_engines(url: URL) -> tuple[Engine, Engine]:
    """(writer, reader): one connection for the writer thread, a pool for reads."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engines(url)
    try:
        writer = create_engine(url, pool_size=1, max_overflow=1, pool_pre_ping=True, connect_args=PG_CONNECT, **QUIET)
        reader = create_engine(
            url, pool_size=8, max_overflow=24, pool_timeout=10, pool_pre_ping=True, connect_args=PG_CONNECT,
            isolation_level="AUTOCOMMIT", **QUIET,
        )  # fmt: skip
    except ModuleNotFoundError as err:
        raise SettingsError("ledger_url names PostgreSQL, but psycopg is missing: pip install 'tagger[postgres]'.") from err
    for engine in (writer, reader):
        event.listen(engine, "connect", _set_pg_timeouts)
    return writer, reader


def _set_pg_timeouts(dbapi: Any, _record: Any) -> None:
    autocommit, dbapi.autocommit = dbapi.autocommit, True
    with dbapi.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
        cursor.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
        cursor.execute(f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}")
    dbapi.autocommit = autocommit


def _sqlite_engines(url: URL) -> tuple[Engine, Engine]:
    _make_file(Path(url.database or ""))
    args = {"check_same_thread": False, "timeout": BUSY_MS / 1000, "isolation_level": None, "cached_statements": 256}
    writer = create_engine(url, pool_size=1, max_overflow=1, connect_args=args, **QUIET)
    # opening a connection costs more than a read: all that task threads may need at once are kept
    reader = create_engine(url, pool_size=32, max_overflow=0, pool_timeout=10, connect_args=args, **QUIET)

    def prepare(dbapi: sqlite3.Connection, writes: bool) -> None:
        dbapi.execute("PRAGMA journal_mode = WAL").fetchall()
        dbapi.execute("PRAGMA synchronous = FULL")  # survives a power cut, not only a crash
        dbapi.execute("PRAGMA foreign_keys = ON")
        dbapi.execute("PRAGMA journal_size_limit = 67108864")
        dbapi.execute(f"PRAGMA busy_timeout = {0 if writes else BUSY_MS}")  # the writer waits in `begin`, more fairly
        if not writes:
            dbapi.execute("PRAGMA query_only = ON")

    event.listen(writer, "connect", lambda dbapi, _: prepare(dbapi, writes=True))
    event.listen(reader, "connect", lambda dbapi, _: prepare(dbapi, writes=False))
    event.listen(writer, "begin", _begin_immediate)
    event.listen(reader, "begin", lambda conn: conn.connection.dbapi_connection.execute("BEGIN"))
    return writer, reader


def _make_file(path: Path) -> None:
    """The ledger holds the sites' secrets: a new file is its owner's alone. Its journal takes the same permissions."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as err:
        raise SettingsError(f"ledger_url: {path} cannot be opened: {err.strerror}.") from err


def _begin_immediate(conn: Connection) -> None:
    """Take SQLite's one write lock. SQLite's own waiting backs off to 100 ms and starves; this asks every 1–3 ms."""
    dbapi: Any = conn.connection.dbapi_connection
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            dbapi.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as err:
            if not _is_busy(err):
                raise
            if time.monotonic() > deadline:
                raise LedgerUnavailable(f"Another process held the ledger's write lock for {LOCK_WAIT_S:.0f} s.") from err
            time.sleep(random.uniform(0.001, 0.003))


def _is_busy(err: sqlite3.OperationalError) -> bool:
    return (err.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


PG_NOW = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")


def read_clock(conn: Connection) -> int:
    """The database's own clock in ms. SQLite runs in this machine, so its clock is this machine's."""
    if conn.dialect.name == "sqlite":
        return time.time_ns() // 1_000_000
    return int(conn.execute(PG_NOW).scalar_one())


def is_transient(err: BaseException) -> bool:
    """A closure that fell victim to a deadlock or a serialization failure may simply run again."""
    return isinstance(err, DBAPIError) and getattr(err.orig, "sqlstate", None) in ("40001", "40P01")


def is_broken(err: BaseException) -> bool:
    """The connection is gone, and with it the whole transaction."""
    return isinstance(err, LedgerUnavailable) or (isinstance(err, DBAPIError) and err.connection_invalidated)


def translate(err: BaseException) -> BaseException:
    """LedgerUnavailable for whatever says that the database is away; the error itself where we are at fault."""
    if isinstance(err, (IntegrityError, DataError, ProgrammingError, NotSupportedError)):
        return err
    if isinstance(err, (DBAPIError, TimeoutError, sqlite3.Error)):
        cause = getattr(err, "orig", None) or err
        words = next(iter(str(cause).strip().splitlines()), "")
        if not isinstance(cause, sqlite3.Error):  # PostgreSQL's words name hosts and users: for the log only
            log.warning("ledger.away", error=type(cause).__name__, detail=words)
            words = "The database server did not answer as it should."
        away = LedgerUnavailable(f"{type(cause).__name__}: {words}")
        away.__cause__ = err
        return away
    return err
