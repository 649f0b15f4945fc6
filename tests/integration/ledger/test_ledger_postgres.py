"""The ledger on PostgreSQL: the cases of every ledger, and stops of the server or of a process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine, text
from support.ledger_cases import LedgerCases, World
from support.ledger_cases.world import FIELDS, description
from support.postgres import Cluster
from typer.testing import CliRunner

from tagger.cli.main import app
from tagger.errors import LedgerFull, LedgerUnavailable
from tagger.ledger import open_ledger
from tagger.ledger.claims.workers import END_LEFT_ALONE
from tagger.ledger.connections import needed
from tagger.ledger.db import schema
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import metadata
from tagger.settings import load, to_env
from tagger.supervisor.plan import ProcessPlan

# Holds the row of worker `w` locked inside a group transaction, and is stopped there.
HOLDER = """
import os, signal, sys, time
from sqlalchemy import text
from tagger.ledger import open_ledger
def hold(tx):
    tx.conn.execute(text("UPDATE workers SET pid = 2 WHERE id = 'w'"))
    print("held", flush=True)
    time.sleep(60)
open_ledger(sys.argv[1])._write(hold)
"""
# The same in the middle of a pipeline: for the server the session is then "active", which no timeout of its own ends.
PIPELINE_HOLDER = HOLDER.replace(
    """tx.conn.execute(text("UPDATE workers SET pid = 2 WHERE id = 'w'"))""",
    """raw = tx.conn.connection.dbapi_connection
    pipeline = raw.pipeline()
    pipeline.__enter__()
    raw.execute("UPDATE workers SET pid = 2 WHERE id = 'w'")
    raw.pgconn.send_flush_request()
    raw.pgconn.flush()""",
)
# And with a message behind it that says nothing of a statement: the session stays "idle in transaction", but its timeout is over.
FLUSHED_HOLDER = PIPELINE_HOLDER.replace(
    """    raw.pgconn.send_flush_request()""",
    """    raw.pgconn.pipeline_sync()
    raw.pgconn.send_flush_request()""",
)


@pytest.fixture(scope="module")
def database(postgres: Cluster) -> str:
    """Of all tests: to make and to migrate one for each took longer than most tests."""
    url = postgres.create()
    ledger = open_ledger(url)
    ledger.migrate()
    ledger.close()
    return url


@pytest.fixture
def world(database: str) -> Iterator[World]:
    with create_engine(database, poolclass=NullPool).begin() as conn:
        conn.execute(text("SET LOCAL lock_timeout = '20s'"))  # a transaction that a test left open is to be told, not waited for
        for table in reversed(metadata.sorted_tables):
            conn.execute(table.delete())
    world = World(database)
    yield world
    world.ledger.close()


class TestOnPostgres(LedgerCases):
    pass


def until(what: Callable[[], bool], seconds: float) -> float:
    """Wait until `what` holds; returns how long that took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, "it never came true"
        time.sleep(0.05)
    return time.monotonic() - began


HOLDERS = {"between statements": HOLDER, "in a pipeline": PIPELINE_HOLDER, "behind a flush": FLUSHED_HOLDER}


@pytest.mark.parametrize("code", HOLDERS.values(), ids=HOLDERS.keys())
def test_a_process_stopped_inside_a_transaction_does_not_stop_the_others(world: World, code: str) -> None:
    command = [sys.executable, "-c", code, world.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            os.kill(holder.pid, signal.SIGSTOP)

            def beat() -> bool:
                with contextlib.suppress(LedgerUnavailable):
                    world.ledger.expire_workers(lease_ms=10**9)  # as the reconcilers do, once a second
                try:
                    return world.ledger.beat("w")
                except LedgerUnavailable:
                    return False

            assert 2 < until(beat, 15) < 10  # 3 s of quiet, and what a busy machine adds
        finally:
            holder.kill()


def test_a_migration_that_pauses_is_not_taken_for_a_stopped_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[int] = []

    def upgrade(config: Config, _revision: str) -> None:
        mine = config.attributes["connection"]
        pid = mine.execute(text("SELECT pg_backend_pid()")).scalar_one()
        ended = world.ledger._read(lambda conn: conn.execute(END_LEFT_ALONE, {"quiet_ms": 0}).all())
        assert ended == []
        paused.append(pid)
        assert mine.execute(text("SELECT pg_backend_pid()")).scalar_one() == pid

    monkeypatch.setattr(command, "upgrade", upgrade)
    monkeypatch.setattr(schema, "newest", lambda: "9999")
    world.ledger.migrate()
    assert len(paused) == 1


def test_a_restart_of_the_server_stops_nobody(world: World, postgres: Cluster) -> None:
    """Both the pooled readers and the writer find their old connections dead, and the stopped server refuses new ones."""
    job_id = world.accept("a")
    postgres.stop("fast")
    try:
        for call in (world.ledger.ping, lambda: world.accept("b"), lambda: world.status(job_id)):
            with pytest.raises(LedgerUnavailable):
                call()
    finally:
        postgres.start()
    assert world.status(job_id) == "accepted"
    world.later(60)
    assert world.ledger.expire_workers() == []  # the fleet was silent because the ledger was away
    assert world.ledger.beat("w")
    assert world.claimed().job_id == job_id


def test_connections_cut_while_idle_are_replaced_unseen(world: World, postgres: Cluster) -> None:
    world.status(world.accept("a"))
    postgres.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = 'tagger'"
    )
    assert world.ledger.beat("w")
    assert world.status(world.accept("b")) == "accepted"


def test_a_server_that_never_was(postgres: Cluster) -> None:
    ledger = open_ledger(f"postgresql://postgres@/none?host={postgres.folder / 'nowhere'}")
    for call in (ledger.migrate, ledger.ping, ledger.now_ms, lambda: ledger.beat("w")):
        with pytest.raises(LedgerUnavailable) as caught:
            call()
        assert "nowhere" not in caught.value.info().detail, "where the ledger stands is nobody's business"
    ledger.close()


def test_a_server_without_a_free_connection_says_so_and_how_many_it_allows(postgres: Cluster) -> None:
    url = postgres.create()
    postgres.sql("CREATE ROLE few LOGIN CONNECTION LIMIT 1")
    few = url.replace("postgres@", "few@")
    held = create_engine(few, poolclass=NullPool).connect()
    ledger = open_ledger(few)
    try:
        with pytest.raises(LedgerFull) as caught:
            ledger.ping()
        assert "max_connections" in caught.value.info().remedy
        held.close()
        assert ledger.connections_allowed() == 1
    finally:
        held.close()
        ledger.close()
    plain = open_ledger(url)
    assert plain.connections_allowed() == 197  # of 200, three are the superusers'
    plain.close()


@pytest.mark.parametrize(("limit", "state"), [(20, "warning"), (-1, "ok")])
def test_the_doctor_says_whether_the_server_has_connections_for_a_stack(
    postgres: Cluster, tmp_path: Path, limit: int, state: str
) -> None:
    url = postgres.create()
    postgres.sql(f"ALTER DATABASE {url.partition('@/')[2].partition('?')[0]} CONNECTION LIMIT {limit}")
    settings = load({}, home=tmp_path, ledger_url=url, tag_processes=2, api_port=0)
    wanted = needed(ProcessPlan.of(settings).processes)
    done = CliRunner().invoke(app, ["doctor", "--json"], env=to_env(settings))
    [found] = [finding for finding in json.loads(done.stdout)["data"] if finding["what"] == "Connections"]
    assert found["state"] == state
    assert f"allows {197 if limit < 0 else limit};" in found["detail"]
    assert f"need up to {wanted}" in found["detail"]
    assert f"so that {wanted} are free, or run fewer processes" in found["remedy"]


def test_of_two_versions_that_were_accepted_in_one_moment_only_the_newer_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever ends first. On PostgreSQL two processes do not see each other's uncommitted jobs."""
    monkeypatch.setattr("tagger.ledger.intake.accept._supersede", lambda *_: None)
    for asset, order in (("a", (0, 1)), ("b", (1, 0))):
        claims = []
        for version in ("1", "2"):
            claims.append(world.claimed(world.accept(asset, version)))
            world.later(1)
        kept = {n: world.ledger.complete(claims[n], description(), FIELDS) for n in order}
        assert kept == {0: False, 1: True}
        assert [world.status(claim.job_id) for claim in claims] == ["superseded", "described"]
        assert [(d.job_id, d.sequence) for d in world.deliverable()] == [(claims[1].job_id, 1)]
    stats = world.ledger.stats()
    assert (stats.jobs["superseded"], stats.jobs["described"], stats.jobs.get("running", 0)) == (2, 2, 0)


def test_only_what_must_outlast_a_power_cut_waits_for_the_disk(world: World) -> None:
    def synchronous(tx: Tx) -> str:
        return str(tx.conn.execute(text("SHOW synchronous_commit")).scalar_one())

    seen = [world.ledger._write(synchronous, durable=durable) for durable in (True, False, False, True)]
    assert seen == ["on", "off", "off", "on"]
