"""A sweep finds what no hook told, twice the same changes nothing, and only a person has missing assets erased."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.ledger_cases.world import World, description
from support.store_sender import StoreSender

from tagger.backfill import Backfill
from tagger.cli.commands.site_sweep import remarks
from tagger.cms.generic.ask import Asker
from tagger.cms.generic.reader import LibraryReader
from tagger.delivery import Endpoint, FieldOutcome
from tagger.demo.media_store import MediaStore, Text, set_tag, set_text
from tagger.errors import Conflict, LibraryAway
from tagger.instants import format_instant
from tagger.ledger import Ledger
from tagger.net.client import Reply
from tagger.net.signing import new_secret
from tagger.provenance import text_hash
from tagger.services import sweep as sweep_module
from tagger.services.sweep import sweep, sweep_due
from tagger.services.sweep_progress import Swept

DAY_MS = 86_400_000


class Scene:
    """A library, and a ledger whose clock is an hour ahead of the library's changes."""

    def __init__(self, folder: Path) -> None:
        self.world = World.on_sqlite(folder / "ledger.sqlite")
        self.world.now = time.time_ns() // 1_000_000 + 3_600_000
        self.store = MediaStore(folder / "library.sqlite", ("en",))
        self.sender = StoreSender(self.store)

    @property
    def ledger(self) -> Ledger:
        return self.world.ledger

    def add(self, asset: str) -> None:
        row = {"id": asset, "filename": "a.jpg", "media_type": "image/jpeg", "role": "unknown", "created_ms": 1}
        self.store.add(row, {"title": ("a.jpg", "import")}, f"event {asset}", b"")

    def described(self, asset: str, text: str = "Ours", **more: Any) -> None:
        """It stands in the library as tagger wrote it, after a hook unless `more` says otherwise."""
        self.add(asset)
        with self.store.change() as db:
            set_text(db, asset, Text("alt_text", "en", text, "tagger"))
            set_tag(db, asset, "Cat", "cat", "tagger", None, present=True)
        job = self.world.accept(asset, **{"event_id": f"event {asset}", **more})
        tags = self.world.tagged([{"id": "cat", "label": "Cat", "score": 0.9}])
        fields = {"alt_text": {"en": {"value": text}}, "tags": {"add": [{"id": "cat", "label": "Cat"}], "remove": []}}
        assert self.ledger.complete(self.world.claimed(job), tags if text else description(), fields)
        [claim] = self.world.deliverable()
        said = FieldOutcome(field="alt_text", locale="en", outcome="written", value_sha256=text_hash(text))
        put_on = FieldOutcome(field="tags", locale="", outcome="written", added=("cat",), removed=())
        assert self.world.finish(claim, "delivered", said, put_on) == "delivered"

    def sweep(self, **options: Any) -> Swept:
        return sweep(self.ledger, self.ledger.get_site("s"), pause=lambda _seconds: None, **options)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(tmp_path)

    def opened(_kind: str, spec: Mapping[str, Any], endpoint: Endpoint | None) -> LibraryReader:
        assert endpoint is not None
        return LibraryReader(Asker(endpoint=replace(endpoint, secrets=(new_secret(),)), client=made.sender), spec)

    monkeypatch.setattr(sweep_module, "open_library", opened)
    yield made
    made.store.close()
    made.ledger.close()


def jobs(scene: Scene, asset: str) -> list[str]:
    return [job.status for job in scene.ledger.jobs(asset_id=asset).data]


def test_an_asset_whose_hook_never_came_is_described_once(scene: Scene) -> None:
    scene.add("lost")
    row = scene.sweep().row()
    assert row.pop("since").endswith("Z")
    assert row == {
        "looked_at": 2, "new": 1, "changed": 0, "edited": 0, "deleted": 0, "missing": 0, "kept": {}, "too_many_new": False,
        "stopped": False,
    }  # fmt: skip
    [job] = scene.ledger.jobs(asset_id="lost").data
    assert (job.lane, job.request.source.location) == ("backfill", "http://cms.example/media/lost/1")
    assert (scene.sweep().new, jobs(scene, "lost")) == (0, ["accepted"])


def test_one_that_was_just_uploaded_waits_for_its_hook(scene: Scene) -> None:
    scene.add("fresh")
    scene.world.now -= 3_590_000
    assert scene.sweep().new == 0
    scene.world.now += 3_590_000
    assert scene.sweep().new == 1, "the next sweep looks back behind the last one"


def test_the_first_sweep_does_not_describe_an_old_library(scene: Scene) -> None:
    scene.add("old")
    scene.world.now += 8 * DAY_MS
    assert scene.sweep().new == 0
    assert scene.sweep(since_ms=0).new == 1


def test_a_new_version_whose_hook_was_lost_is_described(scene: Scene) -> None:
    scene.described("a")
    scene.store.replace("a", "image/png", "another event", b"", 2)
    assert (scene.sweep().changed, jobs(scene, "a")) == (1, ["accepted", "done"])
    assert scene.sweep().changed == 0


@pytest.mark.parametrize(
    ("value", "writer", "edited"),
    [("By hand", "person", 1), ("", "person", 1), ("Ours", "person", 1), ("Ours", "tagger", 0)],
    ids=["changed", "cleared", "same words by hand", "untouched"],
)
def test_an_edit_while_nobody_listened_makes_the_text_the_editors(scene: Scene, value: str, writer: Any, edited: int) -> None:
    scene.described("a")
    with scene.store.change() as db:
        set_text(db, "a", Text("alt_text", "en", value, writer))
    assert [scene.sweep().edited, scene.sweep().edited] == [edited, 0]
    theirs = scene.ledger.provenance("s", "a").editor_fields
    assert theirs == (frozenset({("alt_text", "en")}) if edited else frozenset())


def test_a_tag_that_was_taken_off_is_not_put_on_again(scene: Scene) -> None:
    scene.described("a")
    scene.store.edit("a", {}, remove=["Cat"])
    assert [scene.sweep().edited, scene.sweep().edited] == [1, 0]
    tags = scene.ledger.provenance("s", "a").tags
    assert (tags.ours, tags.editor_tags) == ((), ("cat",))


@pytest.mark.parametrize("fields", [{}, {"tags": {}}, {"tags": {"other": 1}}], ids=["no fields", "no labels", "another key"])
def test_an_answer_without_labels_says_nothing_of_the_tags(scene: Scene, fields: dict[str, Any]) -> None:
    scene.described("a")
    asset = {"id": "a", "revision": "1", "image": {"url": "http://cms.example/a"}, "fields": fields}
    scene.sender.reply = Reply(status=200, headers={}, body=json.dumps({"data": [asset], "next_cursor": None}).encode())
    assert scene.sweep().edited == 0
    asset["fields"] = {"tags": {"labels": []}}
    scene.sender.reply = Reply(status=200, headers={}, body=json.dumps({"data": [asset], "next_cursor": None}).encode())
    assert scene.sweep().edited == 1


def test_what_is_missing_is_counted_and_erased_only_when_a_person_confirms_it(scene: Scene) -> None:
    for asset in ("a", "b"):
        scene.described(asset)
    scene.store.delete("a")
    scene.world.later(1)
    for found in (scene.sweep(), scene.sweep()):
        assert (found.deleted, found.missing) == (0, ["a"])
    assert jobs(scene, "a") == ["done"]
    scene.world.later(1)
    found = scene.sweep(confirmed=True)
    assert (found.deleted, found.missing, found.kept) == (1, [], {})
    assert (jobs(scene, "a"), jobs(scene, "b")) == ([], ["done"])


def test_the_daily_sweep_erases_nothing_after_an_empty_answer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module.time, "sleep", lambda _seconds: None)
    scene.described("a")
    scene.world.later(1)
    scene.ledger.put_capabilities("s", {"types": ["library.page"]})
    scene.sender.reply = Reply(status=200, headers={}, body=b'{"data": [], "next_cursor": null}')
    sweep_due(scene.ledger, lambda: False)
    assert scene.ledger.swept_at("s") == scene.world.now
    assert jobs(scene, "a") == ["done"]


@pytest.mark.parametrize("confirmed", [False, True])
def test_an_asset_in_the_trash_is_neither_missing_nor_described(scene: Scene, confirmed: bool) -> None:
    scene.described("a")
    scene.world.later(1)
    asset = {"id": "a", "revision": "another", "image": {"url": "http://cms.example/a"}, "fields": {}, "trashed": True}
    scene.sender.reply = Reply(status=200, headers={}, body=json.dumps({"data": [asset], "next_cursor": None}).encode())
    found = scene.sweep(confirmed=confirmed)
    assert (found.missing, found.deleted, found.changed, jobs(scene, "a")) == ([], 0, 0, ["done"])


def test_the_library_is_asked_once_more_before_anything_is_erased(scene: Scene) -> None:
    scene.described("a")
    scene.world.later(1)
    empty = Reply(status=200, headers={}, body=b'{"data": [], "next_cursor": null}')

    def answer(number: int) -> None:
        scene.sender.reply = empty if number < 3 else None

    scene.sender.before = answer
    assert scene.sweep(confirmed=True).deleted == 0
    assert (scene.sender.asked, jobs(scene, "a")) == (3, ["done"])


def test_assets_that_the_library_never_named_are_kept(scene: Scene) -> None:
    scene.described("of the api", event_id=None)
    scene.described("tst_1")
    spec = {"profile": "general", "locales": ["en"], "deliver": True}
    for kind in ("csv", "generic"):
        backfill = Backfill(id=f"bkf_{kind}", site_id="s", kind=kind, spec=spec, window=5, started_ms=1)
        scene.ledger.start_backfill(backfill)
        scene.described(f"of {kind}", event_id=None, backfill_id=backfill.id)
    for asset in ("of the api", "tst_1", "of csv", "of generic"):
        scene.store.delete(asset)
    scene.world.later(1)
    assert (scene.sweep().missing, scene.sweep().kept) == (["of generic"], {"not_of_library": 2})
    assert (scene.sweep(confirmed=True).deleted, jobs(scene, "of generic")) == (1, [])
    for asset in ("of the api", "tst_1", "of csv"):
        assert jobs(scene, asset) == ["done"]


def test_an_asset_with_an_open_job_or_a_newer_one_is_kept(scene: Scene) -> None:
    scene.described("open")
    scene.described("newer")
    scene.world.accept("open", "2", event_id="event 2")
    for asset in ("open", "newer"):
        scene.store.delete(asset)
    scene.world.later(1)

    def upload(number: int) -> None:  # while the library is asked for the last time
        if number == 3:
            scene.world.accept("newer", "2", event_id="event 3")

    scene.sender.before = upload
    found = scene.sweep(confirmed=True)
    assert (found.deleted, found.kept) == (0, {"newer_job": 1, "open_job": 1})
    assert (jobs(scene, "newer"), jobs(scene, "open")) == (["accepted", "done"], ["accepted", "done"])


def test_one_that_was_erased_and_is_in_the_library_again_is_described(scene: Scene) -> None:
    scene.add("a")
    assert scene.sweep().new == 1
    scene.ledger.erase_asset("s", "a", deleted=True)
    assert (scene.sweep(since_ms=0).new, jobs(scene, "a")) == (1, ["accepted"])


def test_more_new_assets_than_the_limit_are_left_to_a_backfill(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "MOST_NEW", 2)
    for number in range(3):
        scene.add(f"a{number}")
    found = scene.sweep()
    assert (found.new, found.too_many_new) == (2, True)
    assert list(remarks("s", found))[-1] == f"`tagger backfill start --site s --since {found.since}`."
    monkeypatch.setattr(sweep_module, "MOST_NEW", 1)
    scene.add("a3")
    found = scene.sweep(since_ms=0)
    assert (found.new, found.too_many_new, len(scene.ledger.jobs().data)) == (1, True, 3)


def test_a_dry_run_hides_neither_an_asset_nor_a_version(scene: Scene) -> None:
    scene.add("lost")
    scene.world.accept("lost", deliver=False)
    scene.described("a")
    scene.store.replace("a", "image/png", "another event", b"", 2)
    scene.world.accept("a", "2", deliver=False)
    found = scene.sweep()
    assert (found.new, found.changed) == (1, 1)


def test_a_sweep_ends_before_the_next_page_when_it_is_stopped(scene: Scene) -> None:
    scene.described("a")
    asked = scene.sender.asked
    assert scene.sweep(stop=lambda: True).stopped
    assert (scene.sender.asked, scene.ledger.swept_at("s")) == (asked, None)
    assert scene.sweep(stop=lambda: scene.sender.asked == 1).stopped
    assert (scene.sender.asked, scene.ledger.swept_at("s")) == (1, None)


def test_a_cms_that_asks_for_a_pause_is_left_alone_for_so_long(scene: Scene) -> None:
    scene.ledger.put_capabilities("s", {"types": ["library.page"]})
    scene.sender.reply = Reply(status=429, headers={"retry-after": "7200"}, body=b"")
    until: dict[str, int] = {}
    for later, asked in ((0, 1), (7_199, 1), (1, 2)):
        scene.world.later(later)
        sweep_due(scene.ledger, lambda: False, until)
        assert scene.sender.asked == asked


def test_the_report_says_how_many_are_missing_and_how_to_erase_them() -> None:
    found = Swept(missing=["a", "b", "c", "d"], kept={"open_job": 1, "newer_job": 1, "test": 1, "not_of_library": 2})
    lines = list(remarks("blog", found))
    assert lines[0] == "4 are missing in the CMS (a, b, c, …). Nothing was erased."
    assert lines[1].endswith("`tagger sites sweep blog --confirm-deletions`.")
    assert len(lines) == 6


def test_an_image_of_a_folder_is_not_missed(scene: Scene, tmp_path: Path) -> None:
    from tagger.asset import ImageSource
    from tagger.job import JobRequest

    source = ImageSource(kind="file", location=str(tmp_path / "a.jpg"), root=str(tmp_path))
    scene.ledger.accept([JobRequest(site_id="s", asset_id="a.jpg", source=source)])
    assert scene.sweep().deleted == 0


def test_a_library_that_changes_while_it_is_read_neither_skips_nor_repeats(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagger.cms.generic.reader.PAGE", 3)
    ids = [f"a{number:02}" for number in range(0, 20, 2)]
    for asset in ids:
        scene.add(asset)

    def change(number: int) -> None:
        """Before each page, one asset goes that was listed, and one comes before and one behind the cursor."""
        gone = ids[number - 1]
        if number in (2, 3):
            scene.store.delete(gone)
            scene.add(f"{gone}x")
            scene.add(f"b{number}")

    scene.sender.before = change
    scene.sweep()
    accepted = [job.asset_id for job in scene.ledger.jobs(limit=100).data]
    assert len(accepted) == len(set(accepted))
    assert set(ids) | {"b2", "b3"} <= set(accepted) | {ids[1], ids[2]}


def test_a_library_that_is_away_changes_nothing_and_the_next_turn_tries_again(scene: Scene) -> None:
    scene.described("a")
    scene.sender.reply = Reply(status=503, headers={"retry-after": "7"}, body=b"")
    with pytest.raises(LibraryAway) as raised:
        scene.sweep()
    assert (raised.value.busy, raised.value.retry_after_ms) == (True, 7_000)
    assert scene.ledger.swept_at("s") is None
    assert jobs(scene, "a") == ["done"]


def test_each_site_that_can_is_swept_once_a_day(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module.time, "sleep", lambda _seconds: None)
    scene.add("lost")
    turn: Callable[[], None] = lambda: sweep_due(scene.ledger, lambda: False)  # noqa: E731
    turn()
    assert scene.sender.asked == 0, "nobody knows whether its CMS can list"
    scene.ledger.put_capabilities("s", {"types": ["library.page"]})
    turn()
    asked = scene.sender.asked
    assert (asked, jobs(scene, "lost")) == (2, ["accepted"])
    turn()
    assert scene.sender.asked == asked
    scene.world.now += DAY_MS
    turn()
    assert scene.sender.asked > asked


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "LIBRARY_PAGE", 2)
    monkeypatch.setattr("tagger.cms.generic.reader.PAGE", 2)


@pytest.mark.usefixtures("pages_of_two")
def test_a_sweep_that_was_interrupted_is_continued_where_it_was(scene: Scene) -> None:
    """A whole sweep of six new assets asks for three pages, and then for the six that tagger knows."""
    for number in range(6):
        scene.add(f"a{number}")
    parts = [scene.sweep(stop=lambda asked=asked: scene.sender.asked >= asked) for asked in (1, 2, 4, 5)]
    assert all(part.stopped for part in parts)
    assert scene.ledger.swept_at("s") is None
    began_ms = scene.world.now
    scene.world.later(3_600)
    found = scene.sweep()
    assert (found.new, found.looked_at, found.stopped) == (6, 12, False), "the counts are those of the whole sweep"
    assert scene.sender.asked == 6, "no page is asked for twice"
    assert scene.ledger.swept_at("s") == began_ms, "the next sweep looks from the first start on"
    assert scene.sweep().new == 0


@pytest.mark.usefixtures("pages_of_two")
def test_what_was_missed_before_an_interruption_is_told(scene: Scene) -> None:
    for asset in ("a", "b", "c", "d"):
        scene.described(asset)
    for asset in ("a", "d"):
        scene.store.delete(asset)
    scene.world.later(1)
    before = scene.sender.asked
    assert scene.sweep(stop=lambda: scene.sender.asked >= before + 2).missing == ["a"]
    found = scene.sweep()
    assert (found.missing, found.row()["missing"]) == (["d"], 2)
    assert next(remarks("s", found)).startswith("2 are missing")


def test_one_sweep_of_a_site_runs_at_a_time(scene: Scene) -> None:
    scene.add("lost")
    raised = []

    def another(number: int) -> None:
        if number == 1:
            with pytest.raises(Conflict) as err:
                scene.sweep()
            raised.append(str(err.value))

    scene.sender.before = another
    assert scene.sweep().new == 1
    assert raised == ["A sweep of s runs."]
    assert scene.sweep().new == 0, "the lease was given back"


def test_a_sweep_that_was_killed_gives_way_when_its_lease_ends(scene: Scene) -> None:
    scene.add("lost")
    token, _ = scene.ledger.begin_sweep("s", lease_ms=sweep_module.LEASE_MS)
    with pytest.raises(Conflict):
        scene.sweep()
    scene.world.now += sweep_module.LEASE_MS
    assert scene.sweep().new == 1
    with pytest.raises(Conflict):
        scene.ledger.note_sweep("s", token, {}, lease_ms=1)
    scene.ledger.end_sweep("s", token, swept_ms=5)
    assert scene.ledger.swept_at("s") == scene.world.now, "a sweep that lost its lease says nothing of the site"


def test_an_old_interrupted_sweep_starts_anew(scene: Scene) -> None:
    scene.add("lost")
    assert scene.sweep(stop=lambda: scene.sender.asked == 1).stopped
    scene.world.now += 3 * DAY_MS
    assert scene.sweep().new == 0
    assert scene.ledger.swept_at("s") == scene.world.now


@pytest.mark.parametrize("asked", [{"since_ms": 0}, {"confirmed": True}], ids=["since", "confirmed"])
def test_a_sweep_that_a_person_describes_starts_anew(scene: Scene, asked: dict[str, Any]) -> None:
    scene.described("a")
    scene.store.delete("a")
    scene.world.later(1)
    assert scene.sweep(stop=lambda: scene.sender.asked == 1).stopped
    found = scene.sweep(**asked)
    assert (found.looked_at, found.deleted + len(found.missing)) == (1, 1)


@pytest.mark.parametrize("fault", ["no id", "not asked for", "the same cursor"])
def test_a_faulty_answer_makes_no_asset_missing(scene: Scene, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    scene.described("there")
    scene.world.later(1)
    whole = scene.sender.send

    def broken(*args: Any, **kwargs: Any) -> Reply:
        reply = whole(*args, **kwargs)
        page = json.loads(reply.body)
        if fault == "no id":
            page["data"] = [None for _ in page["data"]]
        elif fault == "not asked for":
            page["data"] = [{**row, "id": "another"} for row in page["data"]]
        elif page["data"]:
            page |= {"data": [], "next_cursor": "2"}
        return replace(reply, body=json.dumps(page).encode())

    monkeypatch.setattr(scene.sender, "send", broken)
    with pytest.raises(LibraryAway):
        scene.sweep(confirmed=True, since_ms=scene.world.now)
    assert jobs(scene, "there") == ["done"]


@pytest.mark.usefixtures("pages_of_two")
def test_an_interrupted_sweep_with_a_date_of_its_own_is_not_continued_and_hides_nothing(scene: Scene) -> None:
    for number in range(4):
        scene.add(f"a{number}")
    assert scene.sweep(since_ms=scene.world.now - DAY_MS, stop=lambda: scene.sender.asked == 1).new == 2
    scene.world.now += 3_600_000
    assert scene.sweep().since == format_instant(scene.world.now - sweep_module.FIRST_MS)


def test_a_sweep_that_looks_back_less_far_is_not_the_sweep_of_the_day(scene: Scene) -> None:
    scene.add("lost")
    assert scene.sweep(since_ms=scene.world.now).new == 0
    assert scene.ledger.swept_at("s") is None
    assert scene.sweep().new == 1


def test_a_lease_of_a_clock_that_ran_ahead_does_not_block(scene: Scene) -> None:
    scene.add("lost")
    now = scene.world.now
    scene.world.now += 365 * DAY_MS
    token, _ = scene.ledger.begin_sweep("s", lease_ms=sweep_module.LEASE_MS)
    scene.ledger.note_sweep(
        "s", token, {"began_ms": scene.world.now, "since_ms": scene.world.now}, lease_ms=sweep_module.LEASE_MS
    )
    scene.world.now = now
    assert scene.sweep().new == 1


def test_a_sweep_of_a_clock_that_ran_ahead_does_not_count(scene: Scene) -> None:
    now = scene.world.now
    scene.world.now += 365 * DAY_MS
    scene.sweep()
    scene.world.now = now
    scene.add("lost")
    assert scene.sweep().new == 1


@pytest.mark.parametrize("more", [{"later": 1}, {"found": {"later": 1}}, {"found": None}, {"since_ms": ...}])
def test_the_state_of_another_version_stops_no_sweep(scene: Scene, more: dict[str, Any]) -> None:
    scene.add("lost")
    token, _ = scene.ledger.begin_sweep("s", lease_ms=sweep_module.LEASE_MS)
    state = {"began_ms": scene.world.now, "since_ms": scene.world.now - DAY_MS, **more}
    state = {name: value for name, value in state.items() if value is not ...}
    scene.ledger.note_sweep("s", token, state, lease_ms=sweep_module.LEASE_MS)
    scene.ledger.end_sweep("s", token, swept_ms=None)
    assert scene.sweep().new == 1
