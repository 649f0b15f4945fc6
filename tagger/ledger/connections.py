"""How many connections to PostgreSQL a process may open, and a stack: whoever sets up the server must know.

A process has one writer, and readers as they are needed at once; idle ones are kept, since to open one costs more than a read.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

READERS = 6
PER_PROCESS = READERS + 1  # and one more for the moment of a migration
COMMANDS = 1  # a command, beside the processes that run

# The least limit of server, role and database; -1 means none. What is reserved for superusers is not ours.
ALLOWED = text(
    "SELECT least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int "
    "- coalesce(current_setting('reserved_connections', true), '0')::int, "
    "nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1)) "
    "FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()"
)
REFUSALS = ("too many clients", "too many connections", "remaining connection slots")  # how a server says 53300 before a session


def needed(processes: int) -> int:
    """What so many processes may open at once, with a command beside them."""
    return (processes + COMMANDS) * PER_PROCESS


def allowed(conn: Connection) -> int:
    """What this role may open on this database."""
    return int(conn.execute(ALLOWED).scalar_one())


def is_refusal(cause: BaseException) -> bool:
    """Whether the server has no connection left. One that speaks another language is not understood."""
    return getattr(cause, "sqlstate", None) == "53300" or any(words in str(cause) for words in REFUSALS)
