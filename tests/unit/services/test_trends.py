"""Shares of tags and verdicts over time; and the images that an older version described."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete
from support.ledger_cases.world import World, description
from typer.testing import CliRunner

from tagger.annotation import Verdict
from tagger.cli.main import app
from tagger.ledger import SearchFilter
from tagger.ledger.tables import described_assets, search_terms
from tagger.services.trends import start_of, trends


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.on_sqlite(tmp_path / "ledger.sqlite")
    for asset, day, tags, action in (
        ("a", "2026-10-30", ["cat"], "publish"),
        ("b", "2026-11-01", ["cat", "dog"], "publish"),
        ("c", "2026-11-02", ["dog"], "review"),
        ("d", "2026-11-29", [], "suppress"),
    ):
        world.now = ms(day)
        world.worker(f"w{asset}")
        found = world.tagged([{"id": tag, "label": tag, "score": 0.9, "category": ""} for tag in tags])
        claim = world.claimed(world.accept(asset), worker=f"w{asset}")
        assert world.ledger.complete(claim, replace(found, verdict=Verdict(action=action)), None)  # type: ignore[arg-type]
    return world


def test_shares_by_month(world: World) -> None:
    october, november = trends(world.ledger, "s", "month")["data"]
    assert (october["start"], october["described"], october["coverage"]) == ("2026-10-01", 1, 1.0)
    assert (november["described"], november["publish"], november["review"], november["suppress"]) == (3, 1, 1, 1)
    assert (november["tagged"], november["coverage"]) == (2, 0.6667)
    assert november["tags"] == [{"id": "cat", "count": 1, "share": 0.3333}, {"id": "dog", "count": 2, "share": 0.6667}]
    assert trends(world.ledger, "other", "month")["data"] == []


def test_limits_and_the_most_frequent_tags(world: World) -> None:
    [week] = trends(world.ledger, "s", "week", after_ms=ms("2026-11-02"), before_ms=ms("2026-11-20"), top=1)["data"]
    assert (week["start"], week["described"], [tag["id"] for tag in week["tags"]]) == ("2026-11-02", 1, ["dog"])


@pytest.mark.parametrize(("period", "start"), [("day", "2026-11-01"), ("week", "2026-10-26"), ("month", "2026-11-01")])
def test_the_start_of_a_period(period: str, start: str) -> None:
    assert start_of(ms("2026-11-01"), period) == start  # type: ignore[arg-type]


def test_csv(world: World, tmp_path: Path) -> None:
    world.ledger.close()
    run = CliRunner().invoke(app, ["--home", str(tmp_path), "trends", "--site", "s", "--csv"])
    lines = list(csv.DictReader(io.StringIO(run.stdout)))
    assert {"start": "2026-11-01", "measure": "tag", "tag": "dog", "count": "2", "share": "0.6667"} in lines
    assert {"start": "2026-10-01", "measure": "described", "tag": "", "count": "1", "share": "1.0"} in lines


def test_what_an_older_version_described_is_made_findable_once(world: World) -> None:
    world.ledger._write(lambda tx: [tx.conn.execute(delete(table)) for table in (described_assets, search_terms)])
    assert trends(world.ledger, "s", "month")["data"] == []
    world.later(2 * 3600)
    while world.ledger.fill_described(limit=3):
        pass
    november = trends(world.ledger, "s", "month")["data"][1]
    assert (november["described"], november["tags"][0]["id"]) == (3, "cat"), "by the time of the job"
    assert world.ledger.assets_left(SearchFilter(site_id="s", tags=("dog", "cat"))) == ["b"]
    assert world.ledger.fill_described() == 0, "no job is looked at again"


def test_jobs_that_were_accepted_together_are_all_made_findable(tmp_path: Path) -> None:
    """A page of a backfill is accepted in one millisecond."""
    world = World.on_sqlite(tmp_path / "ledger.sqlite")
    for accepted in world.ledger.accept([world.request(f"a{n}") for n in range(9)]):
        assert world.ledger.complete(world.claimed(accepted.job_id), description(), None)
    world.ledger._write(lambda tx: tx.conn.execute(delete(described_assets)))
    world.later(2 * 3600)
    while world.ledger.fill_described(limit=4):
        pass
    assert len(world.ledger.assets_left(SearchFilter(site_id="s"))) == 9
