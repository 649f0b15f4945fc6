"""Store: how the parts of the Ledger reach the database. Writes go through the writer thread, reads through a pool."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from tagger.ledger import connections
from tagger.ledger.db import schema
from tagger.ledger.db.engine import Clock, make_engines, parse_url, read_clock, translate
from tagger.ledger.db.writer import Tx, Writer

R = TypeVar("R")
# What this thread's next write also does, in the same transaction; see audit_log.py. Empty again after that write.
ANNOUNCED: ContextVar[list[Callable[[Tx], None]] | None] = ContextVar("announced", default=None)


class NothingChanged(Exception):
    """Raised by a write that found nothing to do, so that the audit log has no row of it. The method that wrote catches it."""


class Store:
    def __init__(self, url: str, clock: Clock | None, group_pause_seconds: float) -> None:
        self._url = parse_url(url)
        self._clock = clock
        self._writing, self._reading = make_engines(self._url)
        self._writer = Writer(self._writing, clock, group_pause_seconds)

    def migrate(self) -> None:
        """Upgrade the schema to the newest revision. Many processes may call this at the same time. A current schema takes no
        lock."""
        if self._read(schema.is_newest):
            return
        try:
            schema.upgrade(self._writing)
        except SQLAlchemyError as err:
            raise translate(err) from err

    def close(self) -> None:
        """Commit the waiting closures, end the writer thread and close all connections."""
        self._writer.close()
        self._writing.dispose()
        self._reading.dispose()

    def now_ms(self) -> int:
        """The ledger's clock, ms since 1970."""
        return self._clock() if self._clock else self._read(read_clock)

    def ping(self) -> None:
        """Errors: LedgerUnavailable."""
        self._read(lambda conn: conn.execute(text("SELECT 1")).scalar_one())

    def connections_allowed(self) -> int | None:
        """The connections that the server allows. None on SQLite, which has no server."""
        return self._read(connections.allowed) if self._url.get_backend_name() == "postgresql" else None

    def _write(self, work: Callable[[Tx], R], *, urgent: bool = False, durable: bool = True) -> R:
        """Run `work` in a transaction. If it raises, nothing is committed, and no row of the audit log either: an action that is
        refused raises in `work`. Errors: those of `work`, LedgerUnavailable.
        """
        notes = ANNOUNCED.get()
        if not notes:
            return self._writer.submit(work, urgent=urgent, durable=durable)

        def both(tx: Tx) -> R:
            done = work(tx)
            for note in notes:
                note(tx)
            return done

        done = self._writer.submit(both, urgent=urgent)
        notes.clear()
        return done

    def _read(self, work: Callable[[Connection], R]) -> R:
        try:
            with self._reading.connect() as conn:
                return work(conn)
        except SQLAlchemyError as err:
            raise translate(err) from err
