"""The dry run of an undo over the API: a large library is compared page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from support.ledger_cases import World
from support.ledger_cases.undoing import backfill, written

from tagger.api.app import create_app
from tagger.cms.base import ListedAsset
from tagger.keys import hash_key
from tagger.services.backfill import undo as undo_module
from tagger.settings import load

AUTH = {"Authorization": "Bearer key"}


class Emptied:
    """A library that has none of its assets any more, and remembers for which it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def listed(self, ids: Sequence[str]) -> Mapping[str, ListedAsset]:
        self.asked.append(list(ids))
        return {}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Emptied:
    made = Emptied()
    monkeypatch.setattr(undo_module, "open_library", lambda *_: made)
    return made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(load({}, home=tmp_path).ledger)
    made.ledger.add_key("s", "test", hash_key("key"))
    yield made
    made.ledger.close()


def test_a_dry_run_of_an_undo_is_answered_page_by_page(world: World, library: Emptied, tmp_path: Path) -> None:
    assets = ["a", "b", "c", "d", "e"]
    for job in backfill(world, *assets):
        written(world, job)
    assert world.ledger.finish_backfills() == ["bkf_1"]
    found, cursor = list[str](), None
    with TestClient(create_app(load({}, home=tmp_path, broker_url=f"redis+socket://{tmp_path}/none.sock"))) as api:
        while True:
            params = {"limit": "2"} if cursor is None else {"limit": "2", "cursor": cursor}
            page = api.post("/v1/backfills/bkf_1/undo", params=params, json={"dry_run": True}, headers=AUTH).json()
            found += [line["asset"] for line in page["data"]]
            if (cursor := page["next_cursor"]) is None:
                break
        too_many = api.post("/v1/backfills/bkf_1/undo", params={"limit": "201"}, json={"dry_run": True}, headers=AUTH)
    assert (found, library.asked) == (assets, [["a", "b"], ["c", "d"], ["e"]])
    assert [one.id for one in world.ledger.backfills()] == ["bkf_1"], "nothing was started"
    assert too_many.status_code == 422
