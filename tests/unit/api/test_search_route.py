"""`GET /v1/search` and `tagger search` read the same search."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from support.ledger_cases.world import World, description
from typer.testing import CliRunner

from tagger.api.app import create_app
from tagger.api.search_models import SearchOut
from tagger.cli.main import app
from tagger.ledger import open_ledger
from tagger.settings import Settings
from tagger.system.home import make_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two sites with the same image, and one with a vector; the models are the fake ones, which read no text."""
    made = tmp_path / "home"
    make_home(made)
    world = World.on_sqlite(made / "ledger.sqlite")
    world.site("other")
    tags = [{"id": "cat", "label": "Cat", "score": 0.9, "category": "subject"}]
    for site in ("s", "other"):
        [accepted] = world.ledger.accept([world.request("4711", site=site)])
        assert world.ledger.complete(world.claimed(accepted.job_id), world.tagged(tags), None)
    boat = [{"id": "boat", "label": "Boat", "score": 0.9, "category": "subject"}]
    vector = ("fake@1", np.eye(8, dtype="<f2")[0].tobytes())
    assert world.ledger.complete(world.claimed(world.accept("near")), replace(world.tagged(boat), embedding=vector), None)
    world.ledger.close()
    (made / "tagger.toml").write_text('embed = "fake"\nadmin_key = "operator"\n')
    return made


def test_over_http(home: Path) -> None:
    settings = Settings(home=home, embed="fake", admin_key="operator")
    with TestClient(create_app(settings), headers={"Authorization": "Bearer operator"}) as api:
        body = api.get("/v1/search", params={"site": "s", "text": "a kitty", "tag": "cat"}).json()
        SearchOut.model_validate(body)
        [hit] = body["data"]
        assert (hit["asset"], hit["matched_by"], hit["tags"]) == ({"id": "4711"}, ["tag"], [{"id": "cat", "label": "Cat"}])
        assert "reads no text" in body["searched"]["notes"][0]
        assert api.get("/v1/search", params={"site": "s", "tag": "dog"}).json()["data"] == []
        assert api.get("/v1/search", params={"site": "s", "asset": "4711"}).status_code == 404, "it has no vector"
        assert api.get("/v1/search", params={"site": "unknown", "text": "cat"}).status_code == 404
        assert api.get("/v1/search", params={"text": "cat"}).status_code == 403, "the operator's key belongs to no site"
        assert api.get("/v1/search", params={"site": "s", "texts": "cat"}).status_code == 422
        assert api.get("/v1/search", params={"site": "s", "after": "yesterday"}).status_code == 422


def test_on_the_command_line(home: Path) -> None:
    run = CliRunner().invoke(app, ["--home", str(home), "search", "cat", "--site", "s", "--json"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["data"][0]["asset"] == {"id": "4711"}
    table = CliRunner().invoke(app, ["--home", str(home), "search", "cat", "--site", "s"])
    assert "4711" in table.stdout
    nothing = CliRunner().invoke(app, ["--home", str(home), "search", "zebra", "--site", "s"])
    assert "No image was found." in nothing.stdout


def work_once(settings: Settings) -> None:
    """A tag worker of one job: the same vector for every picture, and no words, because none were asked for."""
    ledger = open_ledger(settings.ledger)
    ledger.register_worker("w2", role="tag", lane="upload", host="here", pid=1)
    until = time.monotonic() + 60
    while (claim := ledger.claim(lane="upload", worker_id="w2", lease_ms=60_000, job_id=None)) is None:
        assert time.monotonic() < until
        ledger.job_statuses(["nothing"])
    assert claim.request.fields == ()
    vector = np.eye(8, dtype="<f2")[0].tobytes()
    assert ledger.complete(claim, replace(description(embedding=("fake@1", vector)), annotations=()), None)
    ledger.close()


def test_by_a_picture_of_which_nothing_stays(home: Path) -> None:
    settings = Settings(home=home, embed="fake", admin_key="operator", describe_wait_seconds=60)
    worker = threading.Thread(target=work_once, args=(settings,))
    with TestClient(create_app(settings), headers={"Authorization": "Bearer operator"}) as api:
        worker.start()
        answer = api.post("/v1/search?site=s", json={"image": {"base64": "aGVsbG8="}, "tags": ["boat"]})
        worker.join()
        body = answer.json()
        assert answer.status_code == 200, body
        SearchOut.model_validate(body)
        assert [(hit["asset"]["id"], hit["similarity"], hit["matched_by"]) for hit in body["data"]] == [("near", 1.0, ["vector"])]
        assert body["searched"]["vectors"] == "fake@1"
        listed = [job["asset"]["id"] for job in api.get("/v1/jobs?site=s").json()["data"]]
        assert sorted(listed) == ["4711", "near"], "the picture's job is erased"
        assert api.post("/v1/search?site=s", json={"text": "cat"}).status_code == 422, "it needs a picture"
