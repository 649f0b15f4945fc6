"""Connections to SQLite or PostgreSQL, the clock of the ledger, and the translation of driver errors."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from tagger.errors import LedgerDamaged, LedgerFull, LedgerUnavailable, SettingsError
from tagger.ledger.connections import READERS, is_refusal
from tagger.ledger.db import sqlite

log = structlog.get_logger()

Clock = Callable[[], int]

QUIET: dict[str, Any] = {"hide_parameters": True}  # the text of an error must not hold the stored values: some are secrets

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
    except ValueError:  # its text may quote a password
        raise SettingsError("ledger_url: the port is not a number.") from None
    name = parsed.get_backend_name()
    if name == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise SettingsError("ledger_url: SQLite needs a file, because several processes share the ledger.")
        return parsed.set(drivername="sqlite")
    if name in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise SettingsError(f"ledger_url: {name!r} is neither sqlite nor postgresql.")


def file_of(url: str) -> Path | None:
    """The file of an SQLite ledger, its name as it is on the disk; None for a server. Errors: SettingsError."""
    parsed = parse_url(url)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None


def make_engines(url: URL) -> tuple[Engine, Engine]:
    """(writer, reader): one connection for the writer thread, a pool for reads."""
    if url.get_backend_name() == "sqlite":
        return sqlite.make_engines(url, **QUIET)
    try:
        writer = create_engine(url, pool_size=1, max_overflow=1, pool_pre_ping=True, connect_args=PG_CONNECT, **QUIET)
        reader = create_engine(
            url, pool_size=READERS, max_overflow=0, pool_timeout=10, pool_pre_ping=True, connect_args=PG_CONNECT,
            isolation_level="AUTOCOMMIT", **QUIET,
        )  # fmt: skip
    except ModuleNotFoundError as err:
        raise SettingsError("ledger_url names PostgreSQL, but psycopg is not installed: pip install 'tagger[postgres]'.") from err
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


PG_NO_WAIT = text("SET LOCAL synchronous_commit TO OFF")
PG_NOW = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")


def read_clock(conn: Connection) -> int:
    """The clock of the database in ms. SQLite uses the clock of this machine."""
    if conn.dialect.name == "sqlite":
        return time.time_ns() // 1_000_000
    return int(conn.execute(PG_NOW).scalar_one())


@contextmanager
def begin(conn: Connection, *, durable: bool) -> Iterator[None]:
    """A transaction for writing. If it is not `durable`, its commit does not wait for the disk; the next durable commit stores it
    too. A power cut may undo it, but then all later commits are undone too.
    """
    if conn.dialect.name == "sqlite":
        sqlite.wait_for_disk(conn, durable)
    with conn.begin():
        if conn.dialect.name == "postgresql" and not durable:
            conn.execute(PG_NO_WAIT)
        yield


def is_transient(err: BaseException) -> bool:
    """After a deadlock or a serialization failure the closure may run again."""
    return isinstance(err, DBAPIError) and getattr(err.orig, "sqlstate", None) in ("40001", "40P01")


def is_broken(err: BaseException) -> bool:
    """The connection is closed, and the whole transaction is lost."""
    return isinstance(err, LedgerUnavailable) or (isinstance(err, DBAPIError) and err.connection_invalidated)


OURS = (  # SQLAlchemy's words for it, and those of the driver that runs what is prepared
    IntegrityError, DataError, ProgrammingError, NotSupportedError,
    sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError,
)  # fmt: skip


def translate(err: BaseException) -> BaseException:
    """LedgerUnavailable if the error says that the database does not answer. Else the error itself, which is a fault of
    tagger."""
    if isinstance(err, OURS):
        return err
    if isinstance(err, (DBAPIError, TimeoutError, sqlite3.Error)):
        cause = getattr(err, "orig", None) or err
        words = next(iter(str(cause).strip().splitlines()), "")
        if not isinstance(cause, sqlite3.Error):  # PostgreSQL's words name hosts and users: for the log only
            log.warning("ledger.away", error=type(cause).__name__, detail=words)
            words = "The database server did not answer as it should."
            if is_refusal(cause):
                full = LedgerFull()
                full.__cause__ = err
                return full
        broken = isinstance(cause, sqlite3.Error) and sqlite.is_damaged(cause)
        away = (LedgerDamaged if broken else LedgerUnavailable)(f"{type(cause).__name__}: {words}")
        away.__cause__ = err
        return away
    return err
