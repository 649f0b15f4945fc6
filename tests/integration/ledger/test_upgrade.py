"""A ledger of tagger 0.1.0, recorded as tests/data/ledger-0.1.0.sql, under this version: what was accepted there is described and
delivered here, and processes of 0.1.0 can go on writing to it. `make upgrade-test` does the same with both programs.

The record holds one asset for each state: delivered, retried (its delivery failed once), described (its delivery waits),
accepted, dead, running.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.ledger_cases.world import FIELDS, World, description, said

RECORD = Path(__file__).parents[2] / "data" / "ledger-0.1.0.sql"


class OldWorld(World):
    """The record has its site already. A worker of this version joins."""

    def site(self, site_id: str) -> None:
        assert self.ledger.get_site(site_id).id == site_id

    def worker(self, worker_id: str) -> None:
        super().worker(f"new-{worker_id}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(RECORD.read_text("utf-8"))
    return path


@pytest.fixture
def world(file: Path) -> Iterator[World]:
    """Opened and migrated; the delivery that failed is due again."""
    made = OldWorld(f"sqlite:///{file}")
    made.later(10)
    yield made
    made.ledger.close()


def test_every_job_of_the_old_version_is_there_in_its_state(world: World) -> None:
    states = {job.request.asset_id: job.status for job in world.ledger.jobs().data}
    assert states == {
        "delivered": "done",
        "retried": "described",
        "described": "described",
        "accepted": "accepted",
        "dead": "dead",
        "running": "running",
    }
    assert world.ledger.stats().jobs == {"done": 1, "described": 2, "accepted": 1, "dead": 1, "running": 1}
    assert world.ledger.find_key("ab" * 32) is not None
    assert (world.ledger.get_site("s").max_open_jobs, world.ledger.usage("s").open_jobs) == (None, 4)


def test_what_the_old_version_described_is_delivered_by_this_one(world: World) -> None:
    claims = {claim.asset_id: claim for claim in world.deliverable()}
    assert set(claims) >= {"retried", "described"}
    for asset in ("retried", "described"):
        assert world.finish(claims[asset], "delivered", said("written")) == "delivered"
    assert world.ledger.stats().jobs["done"] == 3


def test_what_the_old_version_accepted_is_described_and_what_is_dead_is_replayed(world: World) -> None:
    accepted = next(job for job in world.ledger.jobs().data if job.request.asset_id == "accepted")
    assert world.ledger.complete(world.claimed(accepted.id, "new-w"), description(), FIELDS)
    dead = next(job for job in world.ledger.jobs().data if job.request.asset_id == "dead")
    assert world.ledger.replay([dead.id]) == 1
    assert world.ledger.complete(world.claimed(dead.id, "new-w"), description(), FIELDS)


def test_the_same_request_again_is_the_same_job(world: World) -> None:
    known = {job.request.asset_id: job.id for job in world.ledger.jobs().data}
    assert world.accept("described") == known["described"]


def test_this_version_starts_on_a_ledger_of_a_newer_one(file: Path, world: World) -> None:
    """As after an upgrade that was taken back: the newer version's migrations stay."""
    with closing(sqlite3.connect(file)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.execute("ALTER TABLE jobs ADD COLUMN of_a_newer_version TEXT")
        newer.commit()
    with world.second_process() as ledger:
        ledger.migrate()
        assert ledger.stats().jobs["accepted"] == 1
    assert world.accept("another")


def test_the_old_version_can_write_to_the_migrated_ledger(file: Path, world: World) -> None:
    """Migrations only add: each table and column of 0.1.0 is still there, and none that it does not know must be filled."""
    world.ledger.close()
    old = sqlite3.connect(":memory:")
    old.executescript(RECORD.read_text("utf-8"))
    with closing(old), closing(sqlite3.connect(file)) as new:
        new.execute("PRAGMA foreign_keys = OFF")
        tables = [name for (name,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert "jobs" in tables
        for table in tables:
            if table == "alembic_version":
                continue
            columns = ", ".join(f'"{row[1]}"' for row in old.execute(f"PRAGMA table_info({table})"))
            rows = old.execute(f"SELECT {columns} FROM {table}").fetchall()
            marks = ", ".join("?" for _ in columns.split(", "))
            new.execute(f"DELETE FROM {table}")
            new.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
            assert set(map(repr, new.execute(f"SELECT {columns} FROM {table}"))) == set(map(repr, rows)), table
