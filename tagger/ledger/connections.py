"""The number of connections to PostgreSQL that a process, and a whole stack, may open. The operator of the server needs it.

A process has one connection for the writer, and as many readers as run at the same time. Idle connections stay open, because
opening one costs more than a read.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

READERS = 6
PER_PROCESS = READERS + 1  # and one more for the moment of a migration
COMMANDS = 1  # a command, beside the processes that run

# The lowest limit of server, role and database; -1 means no limit. Connections reserved for superusers do not count.
ALLOWED = text(
    "SELECT least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int "
    "- coalesce(current_setting('reserved_connections', true), '0')::int, "
    "nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1)) "
    "FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()"
)
REFUSALS = ("too many clients", "too many connections", "remaining connection slots")  # how a server says 53300 before a session


def needed(processes: int) -> int:
    """The connections that this number of processes and one command may open at the same time."""
    return (processes + COMMANDS) * PER_PROCESS


def allowed(conn: Connection) -> int:
    """The connections that this role may open on this database."""
    return int(conn.execute(ALLOWED).scalar_one())


def is_refusal(cause: BaseException) -> bool:
    """Whether the server has no free connection. Only English messages of the server are recognised."""
    return getattr(cause, "sqlstate", None) == "53300" or any(words in str(cause) for words in REFUSALS)
