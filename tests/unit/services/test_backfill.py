"""Walking a folder: one fixed order, resumable behind every cursor, whatever files are called; and the numbers of a campaign."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.cli.backfill_watch import recent_rate
from tagger.cms.folder import reader
from tagger.cms.folder.survey import survey
from tagger.cms.folder.walk import Picture, walk
from tagger.errors import BadRequest
from tagger.ledger import Ledger, open_ledger
from tagger.services.backfill import rehearse as rehearse_module
from tagger.services.backfill.feed import feed, feed_all
from tagger.services.backfill.plan import plan_folder
from tagger.services.backfill.progress import progress as row
from tagger.services.backfill.rehearse import rehearse
from tagger.site import Site

# letters around the separator, cases, spaces, dots, a comma that sorts before "/" and before "."; no NUL and no slash
NAME = st.text(alphabet="ab.B -,0é猫\n'\"[]:=", min_size=1, max_size=4).filter(lambda n: not n.startswith("."))
PATHS = st.lists(st.lists(NAME, min_size=1, max_size=3), min_size=1, max_size=12)
SITE = Site(id="s", name="S", locales=("en",))


def build(root: Path, paths: list[list[str]]) -> None:
    for parts in paths:
        target = root.joinpath(*parts[:-1], parts[-1] + ".png")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"x")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue  # this path runs through another one's file


@settings(max_examples=60, deadline=None)
@given(PATHS)
def test_behind_every_cursor_comes_exactly_the_rest(paths: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), paths)
        everything = [picture.relative for picture in walk(Path(folder))]
        assert (
            len(set(everything))
            == len(everything)
            == len(list(Path(folder).rglob("*.png"))) - sum(p.is_dir() for p in Path(folder).rglob("*.png"))
        )
        for index, cursor in enumerate(everything):
            assert [picture.relative for picture in walk(Path(folder), cursor)] == everything[index + 1 :]


def test_a_cursor_whose_file_or_folder_is_gone_still_finds_the_rest(tmp_path: Path) -> None:
    build(tmp_path, [["a"], ["b", "1"], ["b", "2"], ["c"]])
    (tmp_path / "b" / "1.png").unlink()
    assert [p.relative for p in walk(tmp_path, "b/1.png")] == ["b/2.png", "c.png"]
    (tmp_path / "b" / "2.png").unlink()
    (tmp_path / "b").rmdir()
    assert [p.relative for p in walk(tmp_path, "b/1.png")] == ["c.png"]


def test_links_odd_names_and_what_is_no_image(tmp_path: Path) -> None:
    build(tmp_path, [["good"], ["sub", "deep", "x"]])
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "good.png")
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "nothing")
    (tmp_path / "circle").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"x")  # Latin-1: not a text that an id could be
    (tmp_path / "UPPER.JPG").write_bytes(b"x")
    assert [p.relative for p in walk(tmp_path)] == ["UPPER.JPG", "good.png", "link.jpg", "sub/deep/x.png"]


def test_a_revision_changes_with_the_file(tmp_path: Path) -> None:
    build(tmp_path, [["a"]])
    before = next(walk(tmp_path)).revision
    assert next(walk(tmp_path)).revision == before
    os.utime(tmp_path / "a.png", ns=(1, 1))
    assert next(walk(tmp_path)).revision != before


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    opened.migrate()
    opened.put_site(SITE)
    yield opened
    opened.close()


def pictures(tmp_path: Path, number: int) -> Path:
    build(tmp_path / "pictures", [[f"{n:03}"] for n in range(number)])
    return tmp_path / "pictures"


def test_feeding_stops_at_the_window_and_skips_nothing(ledger: Ledger, tmp_path: Path) -> None:
    plan = plan_folder(SITE, pictures(tmp_path, 12), window=5, now_ms=ledger.now_ms())
    ledger.start_backfill(plan)
    assert feed(ledger, ledger.backfill(plan.id)) == 5
    assert feed(ledger, ledger.backfill(plan.id)) == 0, "the window is full"
    state = row(ledger.backfill(plan.id), ledger.now_ms())
    assert (state["total"], state["fed"], state["open"], state["ended"]) == (12, 5, 5, 0)
    while feed_all(ledger) or ledger.backfill(plan.id).status == "running":
        for job in ledger.jobs(backfill_id=plan.id, status="accepted", limit=100).data:
            ledger.cancel(job.id)
    assets = sorted(job.asset_id for job in ledger.jobs(backfill_id=plan.id, limit=100).data)
    assert assets == [f"{n:03}.png" for n in range(12)]
    done = row(ledger.backfill(plan.id), ledger.now_ms())
    assert (done["status"], done["ended"], done["open"], done["seconds_left"], done["rate"]) == ("done", 12, 0, None, None)


def test_a_dry_run_counts_what_is_known_apart_and_stores_nothing(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearse_module, "REHEARSED_PAGE", 5)  # several pages
    folder = pictures(tmp_path, 12)
    first = plan_folder(SITE, folder, window=12, now_ms=ledger.now_ms())
    assert list(rehearse(ledger, first)) == [(5, 0), (10, 0), (12, 0)]
    assert ledger.jobs().data == []
    ledger.start_backfill(first)
    assert feed_all(ledger) == 12
    (folder / "003.png").write_bytes(b"another picture")
    ledger.cancel(next(job.id for job in ledger.jobs(backfill_id=first.id, limit=100).data if job.asset_id == "007.png"))
    second = plan_folder(SITE, folder, window=12, now_ms=ledger.now_ms())
    assert list(rehearse(ledger, second))[-1] == (12, 10), "a changed file and a cancelled job are work"
    ledger.start_backfill(second)
    assert feed_all(ledger) == 2, "the rehearsal was right"


def test_a_folder_is_not_listed_anew_for_each_job_that_ends(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_folder(SITE, pictures(tmp_path, 12), window=4, now_ms=ledger.now_ms())
    ledger.start_backfill(plan)
    walks: list[object] = []

    def counted(folder: Path, after: str | None = None) -> Iterator[Picture]:
        walks.append(after)
        yield from walk(folder, after)

    monkeypatch.setattr(reader, "walk", counted)
    assert feed_all(ledger) == 4
    fed = []
    for job in ledger.jobs(backfill_id=plan.id, limit=100).data:
        ledger.cancel(job.id)
        fed.append(feed_all(ledger))
    assert (fed, len(walks)) == ([0, 2, 0, 2], 3)


def test_a_feed_that_is_told_to_stop_leaves_half_a_page_alone(ledger: Ledger, tmp_path: Path) -> None:
    plan = plan_folder(SITE, pictures(tmp_path, 6), window=10, now_ms=ledger.now_ms())
    ledger.start_backfill(plan)
    looks = iter([False] * 4)
    assert feed_all(ledger, lambda: next(looks, True)) == 0, "asked to stop behind the third picture"
    found = ledger.backfill(plan.id)
    assert (found.status, found.cursor, found.exhausted) == ("running", None, False)
    assert feed_all(ledger) == 6


def test_pausing_is_not_feeding(ledger: Ledger, tmp_path: Path) -> None:
    plan = plan_folder(SITE, pictures(tmp_path, 4), window=2, now_ms=ledger.now_ms())
    ledger.start_backfill(plan)
    ledger.set_backfill_status(plan.id, "paused")
    stale = plan  # a feeder that read it before the pause
    with pytest.raises(Exception, match="paused"):
        feed(ledger, stale)
    assert feed_all(ledger) == 0
    assert row(ledger.backfill(plan.id), ledger.now_ms())["fed"] == 0
    ledger.set_backfill_status(plan.id, "running")
    assert feed_all(ledger) == 2


def test_a_second_run_counts_what_is_known_and_takes_what_changed(ledger: Ledger, tmp_path: Path) -> None:
    folder = pictures(tmp_path, 3)
    for expected in (0, 2):
        plan = plan_folder(SITE, folder, window=10, now_ms=ledger.now_ms())
        ledger.start_backfill(plan)
        feed_all(ledger)
        state = row(ledger.backfill(plan.id), ledger.now_ms())
        assert (state["fed"], state["known"]) == (3, expected)
        (folder / "001.png").write_bytes(b"another picture")


def test_one_campaign_whose_folder_is_away_does_not_hold_up_another(ledger: Ledger, tmp_path: Path) -> None:
    away = tmp_path / "disk"
    build(away, [["a"]])
    good = plan_folder(SITE, pictures(tmp_path, 2), window=10, now_ms=ledger.now_ms())
    ledger.start_backfill(good)
    gone = plan_folder(SITE, away, window=10, now_ms=ledger.now_ms() + 1)
    ledger.start_backfill(gone)
    away.rename(tmp_path / "elsewhere")
    assert feed_all(ledger) == 2
    assert ledger.backfill(gone.id).status == "running", "it goes on when the disk is back"
    (tmp_path / "elsewhere").rename(away)
    assert feed_all(ledger) == 1


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "nothing", tmp_path / "file"):
        with pytest.raises(BadRequest):
            survey(bad)
        with pytest.raises(BadRequest):
            plan_folder(SITE, bad, window=1, now_ms=1)


def test_a_watched_rate_forgets_what_was_before_the_last_minute() -> None:
    seen: deque[tuple[int, int]] = deque()
    assert recent_rate(seen, 0, 0) == 0.0
    assert recent_rate(seen, 10_000, 100) == 10.0
    assert recent_rate(seen, 3_600_000, 100) == 0.0, "an hour of pause"
    assert recent_rate(seen, 3_610_000, 150) == 5.0
