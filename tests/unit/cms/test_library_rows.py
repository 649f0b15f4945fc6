"""A library whose CMS has one odd asset: it is skipped by its reason, and all others are described."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.ledger_cases.world import World

from tagger.backfill import Backfill
from tagger.cms.generic.ask import Asker
from tagger.cms.generic.library import read_page
from tagger.cms.generic.reader import LibraryReader
from tagger.delivery import Endpoint
from tagger.errors import AnswerInvalid
from tagger.net import signing
from tagger.net.client import Reply, Request
from tagger.services.backfill.feed import feed_all

URL = {"url": "https://cms.example/a.jpg"}
BAD: Mapping[str, Any] = {
    "a NUL in the title": {"id": "bad", "image": URL, "context": {"title": "a\0b"}},
    "half a surrogate": {"id": "bad", "image": URL, "context": {"title": "\ud800"}},
    "an unknown role": {"id": "bad", "image": URL, "context": {"role": "hero"}},
    "a title that is a number": {"id": "bad", "image": URL, "context": {"title": 5}},
    "an image that is a text": {"id": "bad", "image": "https://cms.example/a.jpg"},
    "a relative URL": {"id": "bad", "image": {"url": "/a.jpg"}},
    "a very long URL": {"id": "bad", "image": {"url": "https://cms.example/" + "x" * 5_000}},
    "texts that are a text": {"id": "bad", "image": URL, "fields": {"alt_text": "x"}},
    "a writer that is none": {"id": "bad", "image": URL, "fields": {"alt_text": {"en": {"value": "x", "writer": "editor"}}}},
    "a NUL in a text": {"id": "bad", "image": URL, "fields": {"alt_text": {"en": {"value": "a\0b", "writer": "person"}}}},
    "a text under another key": {"id": "bad", "image": URL, "fields": {"alt_text": {"en": {"text": "x"}}}},
    "a bare text": {"id": "bad", "image": URL, "fields": {"alt_text": {"en": "x"}}},
    "texts in place of labels": {"id": "bad", "image": URL, "fields": {"tags": {"labels": {"en": {"value": "x"}}}}},
    "a list of tags": {"id": "bad", "image": URL, "fields": {"tags": ["cat"]}},
    "a text of a field of tags": {"id": "bad", "image": URL, "fields": {"alt_text": {"labels": ["cat"]}}},
    "a long id": {"id": "i" * 600, "image": URL},
    "a NUL in the id": {"id": "a\0", "image": URL},
    "no id": {"image": URL},
    "an empty id": {"id": "", "image": URL},
    "no asset": "4711",
    "null": None,
}


class Cms:
    def __init__(self, *rows: Any) -> None:
        self.rows = rows

    def send(self, _request: Request, _max_bytes: int) -> Reply:
        body = json.dumps({"data": self.rows, "next_cursor": None, "total": len(self.rows)})
        return Reply(status=200, headers={}, body=body.encode())


def reader(*rows: Any) -> LibraryReader:
    endpoint = Endpoint(id="end_1", site_id="s", url="http://cms.example/tagger", secrets=(signing.new_secret(),))
    return LibraryReader(Asker(endpoint=endpoint, client=Cms(*rows)), {"fields": ["alt_text", "tags"], "locales": ["en"]})


def good(asset_id: str) -> dict[str, Any]:
    return {"id": asset_id, "image": URL}


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_one_odd_asset_does_not_stop_the_others(row: Any) -> None:
    listed = list(reader(good("a"), row, good("b")).assets())
    assert [asset.skip for asset in listed] == ["", "not_agreed", ""]
    assert listed[1].fault, "the log says why"
    assert listed[1].asset_id
    assert [asset.asset_id for asset in reader(good("a"), row, good("b")).assets(listed[1].cursor)] == ["b"]


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_conformance_is_strict(row: Any) -> None:
    with pytest.raises(AnswerInvalid, match="is not as agreed: data/"):
        read_page(json.dumps({"data": [good("a"), row]}).encode(), strict=True)


@pytest.mark.parametrize(
    "more",
    [
        {"context": None},
        {"context": []},
        {"fields": None},
        {"fields": []},
        {"fields": {"alt_text": []}},
        {"fields": {"tags": None}},
        {"fields": {"tags": {"labels": None}}},
        {"fields": {"alt_text": {"en": {"value": "x", "writer": None}}}},
        {"trashed": None},
        {"image": {**URL, "send": None}},
    ],
    ids=[
        "no context",
        "context of PHP",
        "no fields",
        "fields of PHP",
        "texts of PHP",
        "no tags",
        "no labels",
        "no writer",
        "no trash",
        "no send",
    ],
)
def test_null_and_the_empty_list_of_php_are_an_empty_object(more: Mapping[str, Any]) -> None:
    [listed] = reader({**good("a"), **more}).assets()
    assert (listed.skip, listed.asset_id) == ("", "a")


@pytest.mark.parametrize("image", [None, [], {}, {"url": None}, {"url": ""}], ids=["null", "PHP", "empty", "null URL", "no URL"])
def test_an_asset_without_an_image_is_as_agreed_and_skipped_for_that(image: Any) -> None:
    row = {"id": "a", "image": image}
    assert [asset.skip for asset in reader(row).assets()] == ["no_image"]
    assert read_page(json.dumps({"data": [row]}).encode(), strict=True).data[0].image.url is None


def test_what_a_person_wrote_in_the_cms_is_read_beside_the_labels() -> None:
    fields = {"alt_text": {"en": {"value": "x", "writer": "person"}}, "tags": {"labels": ["cat"]}}
    [listed] = reader({**good("a"), "fields": fields}).assets()
    assert listed.present is not None
    assert listed.present["fields"] == fields


def test_a_backfill_counts_the_odd_asset_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.on_sqlite(tmp_path / "ledger.sqlite")
    rows = (good("a"), BAD["a relative URL"], good("b"))
    monkeypatch.setattr("tagger.cms.registry.open_reader", lambda *_: reader(*rows))
    spec = {"total": 3, "fields": ["alt_text"], "locales": ["en"], "profile": "general", "left_out": "", "deliver": True}
    world.ledger.start_backfill(
        Backfill(id="bkf_1", site_id="s", kind="generic", spec=spec, window=10, started_ms=world.ledger.now_ms())
    )
    with capture_logs() as logs:
        assert feed_all(world.ledger, lambda: False) == 2
    told = world.ledger.backfill("bkf_1")
    assert (told.exhausted, told.skipped, told.pace.trouble) == (True, {"not_agreed": 1}, "")
    [line] = [line for line in logs if line["event"] == "asset.skipped"]
    assert (line["asset"], "not absolute" in line["error"]) == ("bad", True)
    world.ledger.close()
