"""A backfill that is undone: what its messages say, what they count, and what other messages have to do with them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from support.ledger_cases.world import FIELDS, World, description
from tagger.backfill import UNDO, Backfill
from tagger.cms.generic import callback
from tagger.delivery import DeliveryClaim, FieldOutcome
from tagger.errors import Conflict
from tagger.ledger import Listing, PageNotes
from tagger.provenance import text_hash

CAT = {"id": "cat", "label": "Cat"}
WRITTEN = FieldOutcome(
    field="alt_text", locale="en", outcome="written", value_sha256=text_hash("Tabby cat"), previous="Before", previous_said=True
)  # fmt: skip


def backfill(world: World, *assets: str, name: str = "bkf_1") -> list[str]:
    world.ledger.start_backfill(Backfill(id=name, site_id="s", kind="folder", spec={}, started_ms=world.now))
    requests = [world.request(asset, backfill_id=name) for asset in assets]
    return [a.job_id for a in world.ledger.feed_backfill(name, requests, None, True, after=None)]


def written(world: World, job_id: str, fields: dict[str, Any] = FIELDS, *outcomes: FieldOutcome) -> None:
    assert world.ledger.complete(world.claimed(job_id), description(), fields)
    [claim] = world.deliverable()
    assert world.finish(claim, "delivered", *(outcomes or (WRITTEN,))) == "delivered"


def undo(world: World, of: str = "bkf_1", name: str = "bkf_2") -> None:
    spec = {"of": of, "total": 1}
    world.ledger.start_backfill(Backfill(id=name, site_id="s", kind=UNDO, spec=spec, started_ms=world.now))
    while not world.ledger.backfill(name).exhausted:
        world.ledger.feed_undo(name, limit=1)


def message(claim: DeliveryClaim) -> dict[str, Any]:
    return dict(json.loads(callback.body(claim)))


def counts(world: World, name: str = "bkf_2") -> dict[str, int]:
    return {word: number for word, number in world.ledger.backfill(name).counts.items() if number}


class UndoingCases:
    def test_what_was_replaced_is_put_back_where_our_text_stands(self, world: World) -> None:
        written(world, *backfill(world, "a"))
        assert world.ledger.finish_backfills() == ["bkf_1"]
        undo(world)
        [claim] = world.deliverable()
        sent = message(claim)
        offer = {"value": "Before", "if_current": {"in": [text_hash("Tabby cat")]}}
        assert (sent["type"], sent["data"]["fields"]) == ("asset.reverted", {"alt_text": {"en": offer}})
        assert world.ledger.finish_backfills() == [], "the message is on its way"
        back = FieldOutcome(field="alt_text", locale="en", outcome="written", value_sha256=text_hash("Before"))
        assert world.finish(claim, "delivered", back) == "delivered"
        assert counts(world) == {"seen": 1, "fed": 1, "written": 1}
        assert world.ledger.finish_backfills() == ["bkf_2"]
        hashes = world.ledger.provenance("s", "a").hashes
        assert text_hash("Before") not in hashes[("alt_text", "en")], "the text that was there is not tagger's"

    def test_a_field_that_was_edited_since_is_never_asked_for(self, world: World) -> None:
        from tagger.cms.base import Edit, EditedText

        written(world, *backfill(world, "a"))
        undo(world)
        world.ledger.record_edit("s", Edit(asset_id="a", texts=(EditedText(field="alt_text", locale="en"),)))
        [claim] = world.deliverable()
        assert message(claim)["data"]["fields"]["alt_text"]["en"]["if_current"] == {"in": []}
        world.finish(claim, "delivered", FieldOutcome(field="alt_text", locale="en", outcome="kept"))
        assert counts(world) == {"seen": 1, "fed": 1, "kept": 1}

    def test_tags_go_back_and_are_ours_no_longer(self, world: World) -> None:
        [job] = backfill(world, "a")
        put_on = FieldOutcome(field="tags", locale="", outcome="written", added=("cat",), removed=())
        written(world, job, {"tags": {"add": [CAT], "remove": []}}, put_on)
        assert world.ledger.provenance("s", "a").tags.ours == ("cat",)
        undo(world)
        [claim] = world.deliverable()
        assert message(claim)["data"]["fields"] == {"tags": {"add": [], "remove": ["cat"]}}
        world.finish(claim, "delivered", FieldOutcome(field="tags", locale="", outcome="written", added=(), removed=("cat",)))
        known = world.ledger.provenance("s", "a").tags
        assert (known.ours, known.editor_tags) == ((), ()), "a later backfill may offer it again"

    def test_an_undo_stops_no_other_message_and_no_other_stops_it(self, world: World) -> None:
        written(world, *backfill(world, "a"))
        waiting = world.described("a", "2")
        undo(world)
        newer = world.described("a", "3", fields=("alt_text",))
        types = []
        while claims := world.deliverable():
            types += [(claim.type, claim.sequence) for claim in claims]
            for claim in claims:
                assert world.ledger.confirm_delivery(claim)
                world.finish(claim, "delivered")
        assert [kind for kind, _ in types] == ["asset.reverted", "asset.described"]
        assert (world.status(waiting), world.status(newer)) == ("superseded", "done")

    def test_a_message_that_is_being_sent_is_waited_for(self, world: World) -> None:
        [job] = backfill(world, "a")
        assert world.ledger.complete(world.claimed(job), description(), FIELDS)
        [claim] = world.deliverable()
        world.ledger.set_backfill_status("bkf_1", "cancelled")
        world.ledger.start_backfill(Backfill(id="bkf_2", site_id="s", kind=UNDO, spec={"of": "bkf_1"}, started_ms=world.now))
        assert world.ledger.feed_undo("bkf_2") == 0
        assert not world.ledger.backfill("bkf_2").exhausted
        world.finish(claim, "delivered", WRITTEN)
        assert (world.ledger.feed_undo("bkf_2"), counts(world)["fed"]) == (1, 1)

    def test_a_cancelled_undo_sends_nothing_more(self, world: World) -> None:
        written(world, *backfill(world, "a"))
        undo(world)
        world.ledger.set_backfill_status("bkf_2", "cancelled")
        assert world.deliverable() == []
        assert "reverting" not in counts(world)
        with pytest.raises(Conflict):
            world.ledger.feed_undo("bkf_2")

    def test_an_asset_that_is_erased_meanwhile_leaves_the_undo(self, world: World) -> None:
        written(world, *backfill(world, "a"))
        undo(world)
        world.ledger.erase_asset("s", "a", deleted=True)
        assert "reverting" not in counts(world)
        assert world.ledger.finish_backfills() == ["bkf_1", "bkf_2"]
        assert world.ledger.backfill_results("bkf_1").data == []

    def test_a_dead_undo_can_be_replayed(self, world: World) -> None:
        written(world, *backfill(world, "a"))
        undo(world)
        [claim] = world.deliverable()
        assert world.finish(claim, "reject") == "dead"
        assert counts(world) == {"seen": 1, "fed": 1, "dead": 1}
        assert world.ledger.replay([claim.delivery_id]) == 1
        [again] = world.deliverable()
        assert (again.type, counts(world)["reverting"]) == ("asset.reverted", 1)


class ItemCases:
    def test_each_asset_is_fed_once_and_each_skipped_one_counts_once(self, world: World) -> None:
        world.ledger.start_backfill(Backfill(id="bkf_1", site_id="s", kind="generic", spec={}, started_ms=world.now))
        page = [world.request(asset, backfill_id="bkf_1") for asset in ("a", "b", "a")]
        skips = (Listing(asset_id="c", skipped="has_text"), Listing(asset_id="a", present={"fields": {}}))
        world.ledger.feed_backfill("bkf_1", page, "1", False, after=None, notes=PageNotes(listed=skips))
        world.ledger.feed_backfill("bkf_1", page, "2", False, after="1", notes=PageNotes(listed=skips, seen=4))
        assert counts(world, "bkf_1") == {"seen": 7, "fed": 2, "skip has_text": 1, "accepted": 2}
        results = world.ledger.backfill_results("bkf_1").data
        assert [(r.item.asset_id, r.item.skipped, r.item.present) for r in results] == [
            ("a", "", {"fields": {}}), ("b", "", None), ("c", "has_text", None),
        ]  # fmt: skip

    def test_an_answer_without_outcomes_counts_as_unverified(self, world: World) -> None:
        [job] = backfill(world, "a")
        assert world.ledger.complete(world.claimed(job), description(), FIELDS)
        [claim] = world.deliverable()
        world.finish(claim, "delivered")
        assert counts(world, "bkf_1")["unverified"] == 1

    def test_anew_describes_what_was_described(self, world: World) -> None:
        written(world, *backfill(world, "a"))
        world.ledger.start_backfill(Backfill(id="bkf_2", site_id="s", kind="folder", spec={}, started_ms=world.now))
        request = world.request("a", backfill_id="bkf_2")
        [known] = world.ledger.rehearse([request])
        [fresh] = world.ledger.feed_backfill("bkf_2", [replace(request, anew=True)], None, True, after=None)
        assert (known.created, fresh.created) == (False, True)

    def test_a_listed_asset_is_described_although_it_was_deleted_before(self, world: World) -> None:
        job = world.accept("a")
        world.ledger.erase_asset("s", "a", deleted=True)
        [again] = backfill(world, "a")
        assert again != job
        assert world.status(again) == "accepted"
