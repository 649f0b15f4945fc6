"""Erased rows are deleted from every table, the counters are updated, and rows of other assets stay."""

from __future__ import annotations

import io
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from fastapi.testclient import TestClient
from PIL import Image
from support.ledger_cases import World
from support.ledger_cases.world import FIELDS, description
from typer.testing import CliRunner

from tagger.api.app import create_app
from tagger.asset import ImageSource
from tagger.blobs.local import LocalBlobs
from tagger.cli.commands.webhooks import handler
from tagger.cli.main import app
from tagger.errors import NotFound
from tagger.job import JobRequest
from tagger.keys import hash_key
from tagger.ledger import open_ledger
from tagger.net.signing import new_secret, sign
from tagger.queue.hints import Hints
from tagger.settings import Settings, load
from tagger.site import Site
from workers.roles.reconcile import chores

DAY_SECONDS = 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World.on_sqlite(tmp_path / "ledger.sqlite")
    yield world
    world.ledger.close()


def rows_naming(path: Path, *needles: str) -> list[str]:
    """Tables other than `assets` with a row that names one of these."""
    with closing(sqlite3.connect(path)) as conn:
        names = [n for (n,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'") if n != "assets"]
        return sorted({n for n in names for row in conn.execute(f'SELECT * FROM "{n}"') for s in needles if s in map(str, row)})


def test_an_erased_asset_is_gone_everywhere_and_its_neighbour_stays(world: World, tmp_path: Path) -> None:
    job = world.accept("cat-7")  # "cat" alone is a term of the neighbour, in whose text the word stands
    vector = description("Tabby cat", embedding=("m@1", b"\x00" * 8))
    assert world.ledger.complete(world.claimed(job), vector, FIELDS)
    [sent] = world.deliverable()
    world.cache("ab" * 32 + "c" * 64, b"of the image")
    world.cache("ac" * 32 + "c" * 64, b"of another")
    assert world.finish(sent, "delivered") == "delivered"
    open_job = world.accept("cat-7", "2")
    neighbour = world.described("dog")

    assert world.ledger.erase_asset("s", "cat-7").jobs == 2

    assert rows_naming(tmp_path / "ledger.sqlite", "cat-7", job, open_job, sent.delivery_id) == []
    assert world.ledger.cached("ab" * 32 + "c" * 64) is None
    assert world.ledger.cached("ac" * 32 + "c" * 64) == b"of another"
    assert world.ledger.job(neighbour).status == "described"
    stats = world.ledger.stats()
    assert {k: v for k, v in stats.jobs.items() if v} == {"described": 1}
    assert {k: v for k, v in stats.deliveries.items() if v} == {"pending": 1}


def test_a_later_write_of_an_erased_asset_has_a_higher_sequence(world: World) -> None:
    world.described("cat")
    [first] = world.deliverable()
    world.finish(first, "delivered")
    world.ledger.erase_asset("s", "cat")
    world.described("cat", "2")
    [second] = world.deliverable()
    assert second.sequence > first.sequence


def test_a_worker_that_holds_an_erased_job_writes_nothing(world: World) -> None:
    claim = world.claimed(world.accept("cat"))
    world.ledger.erase_asset("s", "cat")
    assert world.ledger.complete(claim, description(), FIELDS) is False
    assert world.deliverable() == []


def test_age_takes_only_what_ended(world: World) -> None:
    done, still_open = world.described("cat"), world.accept("dog")
    [sent] = world.deliverable()
    world.finish(sent, "delivered")
    world.later(91 * DAY_SECONDS)
    before_ms = world.now - 90 * DAY_SECONDS * 1000
    assert world.ledger.count_jobs(before_ms=before_ms) == 1
    assert world.ledger.expire_jobs(before_ms).jobs == 1
    assert world.ledger.expire_rest(before_ms) == 0  # its attempts went with it
    with pytest.raises(NotFound):
        world.ledger.job(done)
    assert world.ledger.job(still_open).status == "accepted"


def test_parked_for_too_long_becomes_a_dead_letter_by_the_hourly_chore(world: World, tmp_path: Path) -> None:
    world.ledger.enable_endpoint("end_s", False)
    world.described("cat")
    settings = load({}, home=tmp_path)
    hints = Hints(settings.broker)
    world.later(31 * DAY_SECONDS)
    for chore in chores(settings, world.ledger, hints):
        if chore.name in ("parked", "retention"):
            chore.run()
    hints.close()
    assert [letter.error["code"] for letter in world.ledger.dead_letters().data] == ["delivery_exhausted"]


def test_a_listener_tells_signed_from_unsigned(capsys: pytest.CaptureFixture[str]) -> None:
    secret = new_secret()
    with HTTPServer(("127.0.0.1", 0), handler([secret])) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        body = b'{"type": "annotation.ready"}'
        good = requests.post(url, data=body, headers=sign([secret], "dlv_1", int(time.time()), body), timeout=10)
        bad = requests.post(url, data=body, headers=sign([new_secret()], "dlv_2", int(time.time()), body), timeout=10)
        server.shutdown()
    assert (good.status_code, bad.status_code) == (204, 401)
    assert "annotation.ready" in capsys.readouterr().out


def test_commands_rotate_back_up_and_purge(tmp_path: Path) -> None:
    def call(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["--home", str(tmp_path / "home"), *words])
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output

    call("sites", "add", "blog", "--endpoint", "https://blog.example/x")
    assert '"valid": 2' in call("sites", "rotate", "blog", "--callback", "--json")
    call("sites", "rotate", "blog", "--callback", code=1)
    assert '"valid": 1' in call("sites", "rotate", "blog", "--callback", "--finish", "--json")
    copy = tmp_path / "copy.sqlite"
    call("backup", str(copy))
    assert oct(copy.stat().st_mode & 0o777) == "0o600"
    with closing(sqlite3.connect(copy)) as conn:
        assert conn.execute("SELECT id FROM sites").fetchall() == [("blog",)]
    assert "Would erase 0" in call("purge", "--site", "blog", "--dry-run")
    assert "Erased 0" in call("purge", "--site", "blog", "--yes")


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(file, "PNG")
    return file.getvalue()


def uploads(home: Path) -> set[str]:
    return {path.name for path in (home / "blobs").rglob("*") if path.is_file()}


def test_a_signed_deletion_erases_the_asset_and_its_bytes(tmp_path: Path) -> None:
    secret, home = new_secret(), Settings(home=tmp_path, broker_url=f"redis+socket://{tmp_path}/none.sock")
    ledger = open_ledger(home.ledger)
    ledger.migrate()
    ledger.put_site(Site(id="s", name="s", hook_secrets=(secret,)))
    ledger.add_key("s", "test", hash_key("key"))
    with TestClient(create_app(home)) as api:
        auth = {"Authorization": "Bearer key"}
        for asset in ("cat", "dog"):
            assert api.put(f"/v1/assets/{asset}/image", content=picture(), headers=auth).status_code == 202
        assert len(uploads(tmp_path)) == 2
        body = b'{"type": "asset.deleted", "data": {"asset": {"id": "cat"}}}'
        assert api.post("/v1/hooks/s", content=body).status_code == 401
        assert len(uploads(tmp_path)) == 2
        for event in ("evt_1", "evt_1", "evt_2"):
            signed = sign([secret], event, int(time.time()), body)
            assert api.post("/v1/hooks/s", content=body, headers=signed).status_code == 204
        assert [job["asset"]["id"] for job in api.get("/v1/jobs", headers=auth).json()["data"]] == ["dog"]
        assert len(uploads(tmp_path)) == 1
        late = api.put("/v1/assets/cat/image", content=picture(), headers=auth)  # the same bytes, sent before, come again
        assert (late.status_code, late.json()["status"]) == (202, "cancelled")
        assert len(uploads(tmp_path)) == 1
    ledger.close()


def test_a_crash_between_the_ledger_and_the_bytes_leaves_no_orphan_for_good(world: World, tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    keys = {asset: blobs.put(asset.encode()) for asset in ("cat", "dog")}
    world.ledger.accept([
        replace(world.request(asset), source=ImageSource(kind="blob", location=key)) for asset, key in keys.items()
    ])  # fmt: skip
    assert world.ledger.erase_asset("s", "cat").blobs == (keys["cat"],)
    assert blobs.sweep(time.time_ns() // 1_000_000 + 1_000, world.ledger.blobs_needed) == 1  # what the caller did not live to do
    assert uploads(tmp_path) == {keys["dog"]}


PURGES: dict[tuple[str, ...], int] = {
    ("--site", "blog", "--asset", "a"): 3,
    ("--site", "blog"): 1,
    ("--older-than", "30"): 3,
    ("--site", "news", "--older-than", "30"): 4,
}


@pytest.mark.parametrize(("words", "left"), PURGES.items())
def test_purge_takes_the_bytes_with_the_jobs(tmp_path: Path, words: tuple[str, ...], left: int) -> None:
    """Of blog: a, b (cancelled long ago) and c; of news: d."""
    home = tmp_path / "home"
    days = [0]
    ledger = open_ledger(load(home=home).ledger, clock=lambda: time.time_ns() // 1_000_000 - days[0] * DAY_SECONDS * 1000)
    ledger.migrate()
    blobs = LocalBlobs(load(home=home).blobs)
    for site, asset, age in (("blog", "a", 0), ("blog", "b", 60), ("blog", "c", 0), ("news", "d", 0)):
        days[0] = age
        ledger.put_site(Site(id=site, name=site))
        key = blobs.put(asset.encode())
        source = ImageSource(kind="blob", location=key)
        [job] = ledger.accept([JobRequest(site_id=site, asset_id=asset, source=source)])
        if asset == "b":
            ledger.cancel(job.job_id)
    ledger.close()

    def call(*more: str) -> dict[str, Any]:
        result = CliRunner().invoke(app, ["--home", str(home), "purge", *words, *more, "--json"])
        assert result.exit_code == 0, result.output + str(result.exception)
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    assert call("--dry-run") == {"jobs": 4 - left, "dry_run": True}
    assert len(uploads(home)) == 4
    assert call("--yes") == {"jobs": 4 - left, "dry_run": False}
    assert len(uploads(home)) == left
    assert call("--yes") == {"jobs": 0, "dry_run": False}
