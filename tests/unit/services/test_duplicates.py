"""Near-duplicates of one site, and the texts of people that are proposed for their twins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ledger_cases.world import FIELDS, World, description, said
from typer.testing import CliRunner

from tagger.asset import ImageSource
from tagger.cli.main import app
from tagger.cms.base import ListedAsset
from tagger.provenance import text_hash
from tagger.services import duplicates as service
from tagger.services.duplicates import duplicates

CAT = "00ff00ff00ff00ff"


def vector(x: float) -> tuple[str, bytes]:
    made = np.array([x, 1.0], np.float32)
    return "m@1", (made / np.linalg.norm(made)).astype("<f2").tobytes()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A photograph, its copy in another size, three other pictures; and the photograph on another site."""
    world = World.on_sqlite(tmp_path / "ledger.sqlite")
    world.site("t")
    for asset, site, look, near in (
        ("cat", "s", CAT, 1.0),
        ("cat-small", "s", "00ff00ff00ff00fe", 1.0),
        ("alley", "s", "00000000ffffffff", 1.1),
        ("bridge", "s", "ffffffff00000000", -1.0),
        ("boat", "s", "123456789abcdef0", 0.0),
        ("cat", "t", CAT, 1.0),
    ):
        world.later(1)
        [accepted] = world.ledger.accept([world.request(asset, site=site)])
        found = replace(description(embedding=vector(near)), look_hash=look)
        assert world.ledger.complete(world.claimed(accepted.job_id), found, FIELDS if asset == "cat-small" else None)
    return world


def test_groups_of_one_site(world: World) -> None:
    found = duplicates(world.ledger, "s")
    assert found["compared"] == 5
    assert [[asset["id"] for asset in group["assets"]] for group in found["data"]] == [["cat", "cat-small"]]
    assert duplicates(world.ledger, "t")["data"] == []


def test_unsure_bits_need_vectors_that_agree(world: World) -> None:
    """Each twin differs in eight bits; only the vectors of the first agree."""
    for asset, look, near in (("alley-twin", "00000000ffffff00", 1.1), ("bridge-twin", "ffffffff000000ff", 5.0)):
        found = replace(description(embedding=vector(near)), look_hash=look)
        assert world.ledger.complete(world.claimed(world.accept(asset)), found, None)
    groups = [{asset["id"] for asset in group["assets"]} for group in duplicates(world.ledger, "s")["data"]]
    assert {"alley", "alley-twin"} in groups
    assert not any("bridge-twin" in group for group in groups)


def test_an_erased_asset_is_nobody_s_twin(world: World) -> None:
    world.ledger.erase_asset("s", "cat")
    assert duplicates(world.ledger, "s")["data"] == []


class Shelf:
    """What stands in the CMS."""

    def __init__(self, texts: Mapping[str, Mapping[str, Any]]) -> None:
        self.texts = texts

    def listed(self, ids: Sequence[str]) -> dict[str, ListedAsset]:
        source = ImageSource(kind="url", location="https://cms.example/a.jpg")
        return {
            one: ListedAsset(
                asset_id=one, revision="1", source=source, cursor=one, present={"fields": {"alt_text": {"en": self.texts[one]}}}
            )
            for one in ids
            if one in self.texts
        }


@pytest.mark.parametrize(
    ("writers", "proposed"),
    [
        (("person", None), {"cat-small": "Tibby asleep"}),
        ((None, "person"), {"cat": "Tibby awake"}),
        (("person", "person"), {}),
        (("tagger", "tagger"), {}),
    ],
    ids=["first", "second", "both", "none"],
)
def test_a_text_of_a_person_is_proposed_for_a_twin_without_one(
    world: World, monkeypatch: pytest.MonkeyPatch, writers: tuple[str | None, str | None], proposed: dict[str, str]
) -> None:
    texts = {
        asset: {"value": text if writer else None, "writer": writer}
        for asset, text, writer in zip(("cat", "cat-small"), ("Tibby asleep", "Tibby awake"), writers, strict=True)
    }
    monkeypatch.setattr(service, "open_library", lambda *_: Shelf(texts))
    [group] = duplicates(world.ledger, "s", propose=True)["data"]
    assert {p["asset"]["id"]: p["value"] for p in group["proposals"]} == proposed
    assert all((p["source"], p["action"]) == ("duplicate", "review") for p in group["proposals"])


@pytest.mark.parametrize("twin", [{"value": "", "writer": "person"}, None], ids=["emptied on purpose", "not in the CMS"])
def test_nothing_is_proposed_for_a_twin_that_a_person_decided_or_that_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch, twin: dict[str, Any] | None
) -> None:
    texts = {"cat": {"value": "Tibby asleep", "writer": "person"}, **({} if twin is None else {"cat-small": twin})}
    monkeypatch.setattr(service, "open_library", lambda *_: Shelf(texts))
    [group] = duplicates(world.ledger, "s", propose=True)["data"]
    assert group["proposals"] == []


def test_a_text_that_tagger_wrote_is_nobody_s(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CMS does not say who wrote it."""
    [sent] = world.deliverable()
    world.finish(sent, "delivered", said("written", text_hash("Tabby cat")))
    monkeypatch.setattr(service, "open_library", lambda *_: Shelf({"cat-small": {"value": "Tabby cat"}, "cat": {"value": None}}))
    [group] = duplicates(world.ledger, "s", propose=True)["data"]
    assert group["proposals"] == []
    monkeypatch.setattr(service, "open_library", lambda *_: Shelf({"cat-small": {"value": "My cat"}, "cat": {"value": None}}))
    [group] = duplicates(world.ledger, "s", propose=True)["data"]
    assert [p["value"] for p in group["proposals"]] == ["My cat"]


def test_on_the_command_line(world: World, tmp_path: Path) -> None:
    world.ledger.close()
    run = CliRunner().invoke(app, ["--home", str(tmp_path), "duplicates", "--site", "s", "--json"])
    assert [asset["id"] for asset in json.loads(run.stdout)["data"][0]["assets"]] == ["cat", "cat-small"]
    table = CliRunner().invoke(app, ["--home", str(tmp_path), "duplicates", "--site", "s"])
    assert "cat-small" in table.stdout
