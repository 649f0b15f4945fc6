"""Q14: yesterday's ledger is restored. Nothing newer in a CMS is overwritten, and what goes out again changes nothing.

The ledger is a real one (an SQLite file and its online copy, or PostgreSQL and pg_dump); the CMS is the sample media library
with its own rules; between them goes the deliverer's own attempt.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url
from support.ledger_cases.world import World, description
from support.postgres import Cluster

from tagger.delivery import Endpoint
from tagger.demo import receiver
from tagger.demo.media_store import MediaStore
from tagger.ledger.db.copies import copy_sqlite
from tagger.net import signing
from tagger.net.client import Reply
from workers.deliver.attempt import attempt

Backup = tuple[str, Callable[[], None], Callable[[], None]]  # the ledger's URL; take the copy; put it back


@contextmanager
def sqlite(folder: Path, _request: pytest.FixtureRequest) -> Iterator[Backup]:
    ledger, copy = folder / "ledger.sqlite", folder / "copy.sqlite"

    def restore() -> None:  # as docs/operations.md says it
        for leftover in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
            (folder / leftover).unlink(missing_ok=True)
        copy.replace(ledger)

    yield f"sqlite:///{ledger}", lambda: copy_sqlite(ledger, copy), restore


@contextmanager
def postgres(folder: Path, request: pytest.FixtureRequest) -> Iterator[Backup]:
    server: Cluster = request.getfixturevalue("postgres")
    url, dump = server.create(), folder / "ledger.dump"
    at = ["-h", str(server.folder), "-U", "postgres"]
    name = str(make_url(url).database)

    def call(tool: str, *words: str) -> None:
        subprocess.run([server.bin / tool, *at, *words], check=True, capture_output=True, timeout=60)

    yield (
        url,
        lambda: call("pg_dump", "--format=custom", f"--file={dump}", name),
        lambda: call("pg_restore", "--clean", f"--dbname={name}", str(dump)),
    )


class Library:
    """The sample library at the other end of the wire."""

    def __init__(self, path: Path) -> None:
        self.store = MediaStore(path, ("en",))

    def add(self, asset: str) -> None:
        row = {"id": asset, "filename": f"{asset}.jpg", "media_type": "image/jpeg", "role": "informative", "created_ms": 1}
        self.store.add(row, {}, f"evt_{asset}", b"{}")

    def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply:
        message = receiver.Message.model_validate_json(body)
        answer = receiver.apply(self.store, message.data, headers["webhook-id"])
        return Reply(status=200, headers={}, body=json.dumps(answer).encode())

    def close(self) -> None:
        self.store.close()

    def text(self, asset: str) -> Any:
        return self.store.asset(asset)["fields"]["alt_text"].get("en", {}).get("value")


def describe(world: World, asset: str, version: str, words: str) -> str:
    job_id = world.accept(asset, version)
    offer = {"alt_text": {"en": {"value": words, "source": "model", "model": "m@1", "score": 0.9}}}
    assert world.ledger.complete(world.claimed(job_id), description(words), offer)
    return job_id


def send(world: World, library: Library) -> list[tuple[str, str]]:
    """Deliver all that is due. Returns (delivery, outcome) of each."""
    sent = []
    for claim in world.deliverable():
        assert world.ledger.confirm_delivery(claim)
        report = attempt(claim, library, 5)
        world.ledger.finish_delivery(claim, report, world.rng)
        sent += [(claim.delivery_id, outcome.outcome) for outcome in report.outcomes]
    return sent


@pytest.mark.parametrize("shape", [sqlite, postgres])
def test_q14_a_restored_ledger_overwrites_nothing_newer(
    shape: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    with shape(tmp_path, request) as (url, copy, restore):
        world, library = World(url), Library(tmp_path / "library.sqlite")
        world.ledger.put_endpoint(
            Endpoint(id="end_s", site_id="s", url="https://s.example/hook", secrets=(signing.new_secret(),))
        )
        for asset in ("waits", "edited", "again", "cleared", "new"):
            library.add(asset)
        for asset in ("edited", "again", "cleared"):
            describe(world, asset, "v1", f"{asset}, first")
        assert {outcome for _, outcome in send(world, library)} == {"written"}
        describe(world, "waits", "v1", "waits, first")
        copy()  # yesterday: one delivery waits, three are written

        [(waited, outcome)] = send(world, library)
        assert outcome == "written"
        for asset in ("edited", "again", "new"):
            describe(world, asset, "v2", f"{asset}, newer")
        assert {outcome for _, outcome in send(world, library)} == {"written"}
        library.store.edit("edited", {("alt_text", "en"): "A person's words"})
        library.store.edit("cleared", {("alt_text", "en"): ""})
        today = {a: library.text(a) for a in ("waits", "edited", "again", "cleared", "new")}
        writes = library.store.writes()["effective"]
        world.ledger.close()
        restore()

        monkeypatch.setattr(World, "worker", lambda *_: None)  # the copy has their rows
        monkeypatch.setattr(World, "site", lambda *_: None)
        world = World(url)
        assert send(world, library) == [(waited, "unchanged")], "the same id and the same words: nothing happens twice"
        for asset in ("edited", "again", "cleared", "new"):  # the hooks since are sent again, and a model says other words
            describe(world, asset, "v2", f"{asset}, told otherwise")
        outcomes = {world.ledger.delivery(d).asset_id: outcome for d, outcome in send(world, library)}
        assert outcomes == {"edited": "rejected", "again": "rejected", "new": "rejected", "cleared": "kept"}
        assert {a: library.text(a) for a in today} == today
        assert library.store.writes()["effective"] == writes
        describe(world, "edited", "v3", "edited, later")
        describe(world, "again", "v3", "again, later")
        assert {outcome for _, outcome in send(world, library)} == {"kept"}, "counted up; but not what this ledger wrote"
        assert {a: library.text(a) for a in today} == today
        world.ledger.close()
        library.close()
