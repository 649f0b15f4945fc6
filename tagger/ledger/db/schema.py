"""Alembic, called as a library. The migrations are part of the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent.parent / "migrations"
LOCK_KEY = 0x7A66E2  # PostgreSQL's advisory lock: one migration at a time


def newest() -> str:
    """The newest revision of this package."""
    return max(file.name for file in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


def is_newest(conn: Connection) -> bool:
    """Whether there is nothing to migrate. A newer version may have migrated the ledger already: migrations only add, so this
    version runs on it. It does not import Alembic, because the import slows a short command."""
    if not inspect(conn).has_table("alembic_version"):
        return False
    stored = conn.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    return len(stored) == 1 and str(stored[0]) >= newest()  # four digits each


def config_for(conn: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = conn
    return config


def upgrade(engine: Engine) -> None:
    """Upgrade to the newest revision in one transaction. A second process waits, then finds nothing to do."""
    from alembic import command

    with engine.begin() as conn:
        if conn.dialect.name == "postgresql":
            for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
                conn.execute(text(f"SET LOCAL {setting} = 0"))
            conn.execute(text("SET LOCAL application_name = 'tagger-migration'"))  # the reconciler ends "tagger" when it is quiet
            conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        command.upgrade(config_for(conn), "head")
