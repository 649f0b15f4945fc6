"""The ledger on SQLite: the cases of every ledger, and those of SQLite only."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Integer, MetaData, Table, bindparam, select, text
from sqlalchemy.exc import IntegrityError
from support.ledger_cases import LedgerCases, World

from tagger.delivery import Endpoint
from tagger.errors import SettingsError
from tagger.ledger import open_ledger
from tagger.ledger.db import schema
from tagger.ledger.db.prepared import Prepared
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import sites


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World.on_sqlite(tmp_path / "ledger.sqlite")
    yield world
    world.ledger.close()


class TestOnSqlite(LedgerCases):
    pass


def test_sqlite_needs_no_postgres_driver(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None; from tagger.ledger import open_ledger; "
        f"ledger = open_ledger('sqlite:///{tmp_path / 'l.sqlite'}'); ledger.migrate(); ledger.ping(); ledger.close()\n"
        "try: open_ledger('postgresql://nowhere/x')\n"
        "except Exception as err: print(type(err).__name__, err)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "SettingsError" in done.stdout
    assert "pip install 'tagger[postgres]'" in done.stdout


def test_a_ledger_that_is_up_to_date_waits_for_no_lock_and_no_alembic(world: World) -> None:
    """Each command and each start migrates first: behind a long transaction it hung."""
    script = f"import sys; from tagger.ledger import open_ledger; open_ledger({world.url!r}).migrate(); print(*sys.modules)"
    with closing(sqlite3.connect(world.url.removeprefix("sqlite:///"))) as holder:
        holder.execute("BEGIN IMMEDIATE")
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=25, check=True)
    assert "sqlalchemy" in done.stdout.split()
    assert "alembic" not in done.stdout.split()


def test_the_newest_revision_is_the_head_of_all() -> None:
    assert ScriptDirectory(str(schema.MIGRATIONS)).get_current_head() == schema.newest()


@pytest.mark.parametrize("url", ["sqlite://", "mysql://here/x", "no url", "postgresql://u@h:port/db"])
def test_a_url_that_cannot_be_a_ledger_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        open_ledger(url)


def test_the_file_with_the_secrets_is_its_owners_alone(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'new' / 'ledger.sqlite'}")
    ledger.migrate()
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "new").glob("ledger.sqlite*")} == dict.fromkeys(
        ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"), "0o600"
    )
    ledger.close()


def test_a_file_that_cannot_be_opened_is_a_matter_of_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be opened"):
        open_ledger(f"sqlite:///{tmp_path}")


def test_an_error_does_not_tell_what_was_to_be_stored(world: World) -> None:
    world.site("twice")
    secret = Endpoint(id="end_s", site_id="third", url="https://third.example", secrets=("whsec_very-secret",))
    with pytest.raises(IntegrityError) as caught:  # the id of another site's endpoint
        world.ledger.put_endpoint(secret)
    assert "very-secret" not in str(caught.value)


def test_with_nothing_to_deliver_to_hint_or_to_free_nobody_asks_for_the_write_lock(world: World, tmp_path: Path) -> None:
    world.ledger.register_worker("idle", role="deliver", lane=None, host="h", pid=1)
    world.ledger.claim_deliveries(worker_id="idle", limit=10)  # settles what the new endpoint left over
    world.ledger.beat("w")
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # whoever wanted the lock now would wait for half a minute
        began = time.monotonic()
        assert world.ledger.claim_deliveries(worker_id="idle", limit=10) == []
        assert world.ledger.note_short("upload", False) == 0
        assert (world.ledger.expire_workers(), world.ledger.expire_deadlines()) == ([], [])
        assert time.monotonic() - began < 5
        other.execute("ROLLBACK")


def test_what_one_read_sees_is_of_one_moment(world: World, tmp_path: Path) -> None:
    world.site("one")

    def sites(conn: Connection) -> int:
        return int(conn.execute(text("SELECT count(*) FROM sites")).scalar_one())

    def twice(conn: Connection) -> tuple[int, int]:
        before = sites(conn)
        world.site("two")  # another connection writes meanwhile
        return before, sites(conn)

    before, after = world.ledger._read(twice)
    assert before == after
    assert world.ledger._read(sites) == before + 1


def test_only_what_must_outlast_a_power_cut_waits_for_the_disk(world: World) -> None:
    def synchronous(tx: Tx) -> int:
        return int(tx.conn.execute(text("PRAGMA synchronous")).scalar_one())

    full, normal = 2, 1
    seen = [world.ledger._write(synchronous, durable=durable) for durable in (True, False, False, True)]
    assert seen == [full, normal, normal, full]


def test_a_prepared_statement_takes_the_values_that_it_asks_for_and_no_others(world: World) -> None:
    of_site = Prepared(select(sites.c.id).where(sites.c.id == bindparam("site")))
    world.site("one")
    assert world.ledger._read(lambda conn: of_site.one_or_none(conn, {"site": "one"})).id == "one"
    assert not world.ledger._read(lambda conn: of_site.any(conn, {"site": "another"}))
    for values in ({}, {"site": "one", "more": 1}):
        with pytest.raises(KeyError):
            world.ledger._read(lambda conn, given=values: of_site.one_or_none(conn, given))


def test_a_statement_with_values_of_its_own_making_is_not_prepared(world: World) -> None:
    counted = Table("counted", MetaData(), Column("id", Integer, primary_key=True), Column("made", Integer, default=lambda: 1))
    statement = Prepared(counted.insert(), ["id"])
    with pytest.raises(ValueError, match="counted"):
        world.ledger._write(lambda tx: statement.run(tx.conn, {"id": 1}))


def test_writes_that_arrive_during_the_pause_share_one_transaction(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", group_pause_seconds=0.5)
    ledger.migrate()
    ledger._write(lambda tx: None)  # the pause behind this one gathers the others
    with ThreadPoolExecutor(8) as pool:
        transactions = list(pool.map(lambda _: ledger._write(lambda tx: tx), range(8)))
    assert len(set(transactions)) == 1
    ledger.close()
