"""Backfills take turns: one that never fills its window does not keep the feeder from the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.ledger_cases.world import World

from tagger.asset import ImageSource
from tagger.backfill import Backfill
from tagger.cms import registry
from tagger.cms.base import ListedAsset
from tagger.services.backfill import feed
from tagger.services.backfill.feed import Feeder


class SlowLibrary:
    """Lists assets without an end. Each takes three seconds, and is described before the next one is listed."""

    def __init__(self, world: World, name: str, listed: list[str]) -> None:
        self._world, self._name, self._listed = world, name, listed

    def assets(self, after: str | None = None) -> Iterator[ListedAsset]:
        number = int(after or 0)
        while True:
            number += 1
            self._world.now += 3_000
            self._listed.append(f"{self._name}{number}")
            source = ImageSource(kind="url", location=f"http://cms.example/{number}.jpg")
            yield ListedAsset(asset_id=f"{self._name}{number}", revision="", source=source, cursor=str(number))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.on_sqlite(tmp_path / "ledger.sqlite")
    yield made
    made.ledger.close()


def test_a_slow_library_that_never_ends_leaves_the_others_their_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []

    def opened(_kind: str, spec: Mapping[str, Any], _endpoint: Any) -> SlowLibrary:
        return SlowLibrary(world, spec["name"], listed)

    monkeypatch.setattr(registry, "open_reader", opened)
    monkeypatch.setattr(feed, "PAGE", 1)
    for name in ("a", "b"):
        spec = {"profile": "general", "locales": ["en"], "deliver": True, "total": 9, "name": name}
        started = Backfill(id=f"bkf_{name}", site_id="s", kind="generic", spec=spec, window=20, started_ms=world.now)
        world.ledger.start_backfill(started)
    feeder = Feeder(ledger=world.ledger)
    assert [feeder.feed_all(), feeder.feed_all()] == [4, 4]
    assert listed in (["a1", "a2", "b1", "b2", "a3", "a4", "b3", "b4"], ["b1", "b2", "a1", "a2", "b3", "b4", "a3", "a4"])
