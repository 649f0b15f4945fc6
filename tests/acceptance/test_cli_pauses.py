"""Messages about a paused backfill or site: how many wait, for which command, and how many continue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.ledger_cases.world import World

from acceptance.house import called, told
from acceptance.pictures import png
from tagger.cli import backfill_watch
from tagger.services.backfill.feed import feed_all


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.on_sqlite(tmp_path / "ledger.sqlite")
    yield made
    made.ledger.close()


def pictures(tmp_path: Path, number: int) -> list[str]:
    (tmp_path / "p").mkdir()
    for n in range(number):
        (tmp_path / "p" / f"{n}.png").write_bytes(png((n, n, n)))
    return ["backfill", "start", "--folder", str(tmp_path / "p"), "--site", "s"]


def test_a_paused_backfill_says_what_waits_and_for_what(world: World, tmp_path: Path) -> None:
    found = told(*pictures(tmp_path, 5), "--window", "3", home=tmp_path)
    assert feed_all(world.ledger) == 3
    world.claimed(lane="backfill")
    said = called("backfill", "pause", found["id"], home=tmp_path).stdout
    wanted = (
        f"{found['id']} paused: 0 of 5 ended, 0 failed. 1 are being described, 4 wait for `tagger backfill resume {found['id']}`."
    )
    assert said.strip() == wanted
    assert called("backfill", "status", found["id"], home=tmp_path).stdout.strip() == wanted
    assert f"{found['id']} is paused; 4 of its images wait. Run" in called("status", home=tmp_path).stdout
    assert world.claim(lane="backfill") is None
    body = told("backfill", "status", found["id"], home=tmp_path)
    assert (body["status"], body["open"], body["waiting"]) == ("paused", 3, 2)
    called("backfill", "resume", found["id"], home=tmp_path)
    world.claimed(lane="backfill")


@pytest.mark.parametrize(("status", "words"), [("paused", "wait for `tagger backfill resume"), ("cancelled", " cancelled: ")])
def test_who_follows_is_told_why_it_ends(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, words: str
) -> None:
    def elsewhere(_seconds: float) -> None:
        [running] = world.ledger.backfills()
        world.ledger.set_backfill_status(running.id, status)  # type: ignore[arg-type]

    monkeypatch.setattr(backfill_watch, "time", SimpleNamespace(sleep=elsewhere))
    done = called(*pictures(tmp_path, 2), home=tmp_path)
    assert done.returncode == 0
    assert words in done.stdout.splitlines()[-1], done.stdout


def test_a_resumed_site_says_how_many_go(world: World, tmp_path: Path) -> None:
    for asset in "ab":
        world.described(asset)
    called("sites", "pause", "s", "--writes", home=tmp_path)
    assert "2 waiting deliveries are sent now." in called("sites", "resume", "s", home=tmp_path).stdout
    world.described("c")
    world.ledger.enable_endpoint("end_s", False)
    world.deliverable()
    assert "waiting deliveries are sent" in called("sites", "resume", "s", home=tmp_path).stdout
