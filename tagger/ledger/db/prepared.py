"""The statements that each image needs, compiled once.

SQLAlchemy prepares a statement again for each execution. This costs four times the work of SQLite itself. So on SQLite the driver
runs the compiled text, with SQLAlchemy's conversions of values. On PostgreSQL the round trip costs more, so SQLAlchemy runs the
statement.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Executable, Table
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Values = Mapping[str, Any]
Convert = Callable[[Any], Any] | None  # None: as it is


class Prepared:
    """A statement without expanding lists and without Python defaults. Thread-safe.

    It begins no transaction. On a read connection without a transaction it sees the present state.
    """

    def __init__(self, statement: Any, columns: Sequence[str] = ()) -> None:
        """`columns`: the columns of an insert."""
        self._statement: Executable = statement
        self._columns = tuple(columns)
        self._on_sqlite: _OnSqlite | None = None

    def run(self, conn: Connection, values: Values) -> None:
        if (lite := self._lite(conn)) is None:
            conn.execute(self._statement, values)
        else:
            _driver(conn).execute(lite.sql, lite.bind(values))

    def run_many(self, conn: Connection, values: Sequence[Values]) -> None:
        if (lite := self._lite(conn)) is None:
            conn.execute(self._statement, values)
        else:
            _driver(conn).executemany(lite.sql, [lite.bind(row) for row in values])

    def one_or_none(self, conn: Connection, values: Values) -> Any:
        """The only row, with its columns as attributes, or None. Errors: ValueError for more than one row."""
        if (lite := self._lite(conn)) is None:
            rows = list(conn.execute(self._statement, values))
        else:
            rows = _driver(conn).execute(lite.sql, lite.bind(values)).fetchall()
        if len(rows) > 1:
            raise ValueError(f"{len(rows)} rows where one was expected.")
        return None if not rows else rows[0] if lite is None else lite.row(rows[0])

    def any(self, conn: Connection, values: Values) -> bool:
        """Whether there is a row."""
        return self.one_or_none(conn, values) is not None

    def _lite(self, conn: Connection) -> _OnSqlite | None:
        if conn.dialect.name != "sqlite":
            return None
        if self._on_sqlite is None:
            self._on_sqlite = _OnSqlite(self._statement, self._columns, conn.dialect)
        return self._on_sqlite


def columns_of(table: Table, *, without: Sequence[str] = ()) -> tuple[str, ...]:
    """Names, for an insert of all but `without`."""
    return tuple(c.name for c in table.c if c.name not in without)


class _OnSqlite:
    """The text for the driver, and the conversions of values in both directions."""

    def __init__(self, statement: Any, columns: Sequence[str], dialect: Dialect) -> None:
        compiled: SQLCompiler = statement.compile(dialect=dialect, column_keys=list(columns) or None)
        if compiled.post_compile_params or compiled.insert_prefetch or compiled.update_prefetch:
            raise ValueError(f"This statement is not for the driver alone: {compiled}")
        self.sql = str(compiled)
        binds = [(name, compiled.binds[name]) for name in compiled.positiontup or ()]
        self._wanted = frozenset(name for name, bind in binds if bind.required)
        self._binds = [(name, bind.value, _into(bind.type, dialect)) for name, bind in binds]
        returned = list(getattr(statement, "exported_columns", ()))
        self._outs = [(n, out) for n, c in enumerate(returned) if (out := _out_of(c.type, dialect)) is not None]
        self._row: Any = namedtuple("Found", [c.name for c in returned])  # type: ignore[misc]

    def bind(self, values: Values) -> tuple[Any, ...]:
        """Errors: KeyError if a value is missing or unknown."""
        if values.keys() != self._wanted:
            raise KeyError(*(values.keys() ^ self._wanted))
        get = values.get
        return tuple([convert(get(n, own)) if convert is not None else get(n, own) for n, own, convert in self._binds])

    def row(self, found: tuple[Any, ...]) -> Any:
        values = list(found)
        for n, out in self._outs:
            values[n] = out(values[n])
        return self._row._make(values)


def _driver(conn: Connection) -> Any:
    return conn.connection.driver_connection


def _into(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _out_of(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
