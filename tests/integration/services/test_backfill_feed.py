"""Backfills of unusual folders: names that are not Unicode, unreadable subfolders, folders that disappear."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tagger.backfill import Backfill
from tagger.cms import registry
from tagger.cms.folder.survey import survey
from tagger.cms.folder.walk import walk
from tagger.ledger import Ledger, open_ledger
from tagger.services.backfill.feed import feed_all
from tagger.services.backfill.plan import plan_folder
from tagger.site import Site

SITE = Site(id="s", name="S")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger.migrate()
    ledger.put_site(SITE)
    yield ledger
    ledger.close()


def library(tmp_path: Path, name: str, *files: str) -> Path:
    root = tmp_path / name
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")
    return root


def started(ledger: Ledger, root: Path, window: int = 5_000) -> Backfill:
    plan = plan_folder(SITE, root, window=window, now_ms=ledger.now_ms())
    ledger.start_backfill(plan)
    return plan


def fed(ledger: Ledger, backfill: Backfill) -> list[str]:
    return sorted(job.asset_id for job in ledger.jobs(backfill_id=backfill.id, limit=200).data)


def test_a_name_that_is_no_text_is_left_out_and_the_rest_is_fed(ledger: Ledger, tmp_path: Path) -> None:
    root = library(tmp_path, "old", "a.jpg", "z.jpg")
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.jpg")).write_bytes(b"picture")  # Latin-1, from an old camera
    assert survey(root).pictures == 2
    backfill = started(ledger, root)
    assert feed_all(ledger) == 2
    assert fed(ledger, backfill) == ["a.jpg", "z.jpg"]
    assert ledger.backfill(backfill.id).exhausted


def test_a_subfolder_that_may_not_be_read_is_left_out(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = library(tmp_path, "mount", "a.jpg", "lost+found/x.jpg", "z.jpg")
    scandir = os.scandir

    def refuse(path: Path) -> object:  # whoever runs the tests may be root
        if Path(path).name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    backfill = started(ledger, root)
    assert feed_all(ledger) == 2
    assert fed(ledger, backfill) == ["a.jpg", "z.jpg"]


def test_a_subfolder_that_fails_for_a_moment_is_not_left_out(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = library(tmp_path, "nfs", "a.jpg", "far/x.jpg", "z.jpg")
    backfill = started(ledger, root)
    scandir = os.scandir

    def stale(path: Path) -> object:
        if Path(path).name == "far":
            raise OSError(116, "Stale file handle")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", stale)
        feed_all(ledger)
    assert not ledger.backfill(backfill.id).exhausted
    feed_all(ledger)
    assert fed(ledger, backfill) == ["a.jpg", "far/x.jpg", "z.jpg"]


def test_a_folder_that_is_away_holds_up_its_own_backfill_only(ledger: Ledger, tmp_path: Path) -> None:
    here, away = library(tmp_path, "here", "a.jpg"), library(tmp_path, "away", "b.jpg")
    first, second = started(ledger, here), started(ledger, away)
    away.rename(tmp_path / "unmounted")
    assert feed_all(ledger) == 1
    assert fed(ledger, first) == ["a.jpg"]
    assert ledger.backfill(second.id).status == "running"
    (tmp_path / "unmounted").rename(away)
    feed_all(ledger)
    assert fed(ledger, second) == ["b.jpg"]


def test_a_window_smaller_than_the_folder_is_filled_again_and_again(ledger: Ledger, tmp_path: Path) -> None:
    names = ["a.jpg", "a/b.jpg", "a/c/d.jpg", "a0.jpg", "b.jpg", "c/a.jpg", "c/a.txt"]
    root = library(tmp_path, "many", *names)
    backfill = started(ledger, root, window=2)
    for _ in range(5):
        feed_all(ledger)
        for job in ledger.jobs(backfill_id=backfill.id, status="accepted").data:
            ledger.cancel(job.id)
    assert fed(ledger, backfill) == sorted(names[:-1])
    assert ledger.backfill(backfill.id).counts["fed"] == 6
    assert ledger.backfill(backfill.id).status == "done"


def test_the_walk_begins_behind_any_of_its_own_paths(tmp_path: Path) -> None:
    root = library(tmp_path, "w", "a.jpg", "a/b.jpg", "a/c/d.jpg", "a0.jpg", "b.jpg")
    whole = [picture.relative for picture in walk(root)]
    for number, after in enumerate(whole):
        assert [picture.relative for picture in walk(root, after)] == whole[number + 1 :]


def test_an_error_that_nobody_foresaw_holds_up_its_own_backfill_only(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd, good = started(ledger, library(tmp_path, "odd", "a.jpg")), started(ledger, library(tmp_path, "good", "b.jpg"))
    opened = registry.open_reader

    def refuse(kind: str, spec: Mapping[str, Any], endpoint: Any) -> Any:
        if spec == odd.spec:
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return opened(kind, spec, endpoint)

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(registry, "open_reader", refuse)
        assert feed_all(ledger) == 1
    assert fed(ledger, good) == ["b.jpg"]
    [line] = [line for line in logs if line["event"] == "backfill.not_fed"]
    assert (line["backfill"], line["log_level"], line["exc_info"]) == (odd.id, "error", True)
    assert feed_all(ledger) == 1, "the next turn tries it again"
