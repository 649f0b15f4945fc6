"""`GET /v1/search` and `tagger search` read the same search."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from support.ledger_cases.world import World
from typer.testing import CliRunner

from tagger.api.app import create_app
from tagger.api.search_models import SearchOut
from tagger.cli.main import app
from tagger.settings import Settings
from tagger.system.home import make_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two sites, an image each; the models are the fake ones, which read no text."""
    made = tmp_path / "home"
    make_home(made)
    world = World.on_sqlite(made / "ledger.sqlite")
    world.site("other")
    tags = [{"id": "cat", "label": "Cat", "score": 0.9, "category": "subject"}]
    for site in ("s", "other"):
        [accepted] = world.ledger.accept([world.request("4711", site=site)])
        assert world.ledger.complete(world.claimed(accepted.job_id), world.tagged(tags), None)
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
