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
from tagger.provenance import tag_change, text_hash
from tagger.services.backfill.plan import plan_undo

SPEC = {"profile": "general", "locales": ["en"]}
CAT = {"id": "cat", "label": "Cat"}
WRITTEN = FieldOutcome(
    field="alt_text", locale="en", outcome="written", value_sha256=text_hash("Tabby cat"), previous="Before", previous_said=True
)  # fmt: skip


def backfill(world: World, *assets: str, name: str = "bkf_1") -> list[str]:
    world.ledger.start_backfill(Backfill(id=name, site_id="s", kind="folder", spec=SPEC, started_ms=world.now))
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

    def test_what_may_still_be_written_is_waited_for(self, world: World) -> None:
        [first, second] = backfill(world, "a", "b")
        assert world.ledger.complete(world.claimed(first), description(), FIELDS)
        working = world.claimed(second)
        world.ledger.set_backfill_status("bkf_1", "cancelled")
        with pytest.raises(Conflict, match=r"not delivered yet: 2\."):
            plan_undo(world.ledger, "bkf_1", window=10)
        world.ledger.start_backfill(Backfill(id="bkf_2", site_id="s", kind=UNDO, spec={"of": "bkf_1"}, started_ms=world.now))
        assert world.ledger.feed_undo("bkf_2") == 0, "the message of the first one is pending"
        world.finish(world.deliverable()[0], "delivered", WRITTEN)
        assert world.ledger.feed_undo("bkf_2") == 1
        assert not world.ledger.backfill("bkf_2").exhausted, "the second one is being described"
        assert world.ledger.complete(working, description(), FIELDS)
        claims = {claim.type: claim for claim in world.deliverable()}
        world.finish(claims["asset.described"], "delivered", WRITTEN)
        assert (world.ledger.feed_undo("bkf_2"), counts(world)["fed"]) == (1, 2)

    def test_what_a_first_undo_did_not_meet_is_undone_by_a_second_one(self, world: World) -> None:
        [job] = backfill(world, "a")
        assert world.ledger.complete(world.claimed(job), description(), FIELDS)
        [claim] = world.deliverable()
        assert world.finish(claim, "reject") == "dead"
        assert world.ledger.finish_backfills() == ["bkf_1"]
        first = plan_undo(world.ledger, "bkf_1", window=10)
        world.ledger.start_backfill(first)
        world.later(1)
        with pytest.raises(Conflict, match=f"undone by {first.id}"):
            plan_undo(world.ledger, "bkf_1", window=10)
        assert world.ledger.feed_undo(first.id) == 1
        assert world.ledger.finish_backfills() == [first.id]
        assert world.ledger.replay([claim.delivery_id]) == 1
        with pytest.raises(Conflict, match=r"not delivered yet: 1\."):
            plan_undo(world.ledger, "bkf_1", window=10)
        world.finish(world.deliverable()[0], "delivered", WRITTEN)
        second = plan_undo(world.ledger, "bkf_1", window=10)
        world.ledger.start_backfill(second)
        world.ledger.feed_undo(second.id)
        assert [claim.type for claim in world.deliverable()] == ["asset.reverted"]

    def test_a_tag_that_an_editor_took_off_is_not_put_on_again_after_an_undo(self, world: World) -> None:
        [job] = backfill(world, "a")
        put_on = FieldOutcome(field="tags", locale="", outcome="written", added=("cat",), removed=())
        written(world, job, {"tags": {"add": [CAT], "remove": []}}, put_on)
        undo(world)
        [claim] = world.deliverable()
        world.finish(claim, "delivered", FieldOutcome(field="tags", locale="", outcome="unchanged", added=(), removed=()))
        known = world.ledger.provenance("s", "a").tags
        assert (known.ours, known.editor_tags) == ((), ("cat",))
        assert tag_change(["cat"], known).add == ()

    def test_a_tag_whose_removal_was_perhaps_answered_before_is_nobodys(self, world: World) -> None:
        [job] = backfill(world, "a")
        put_on = FieldOutcome(field="tags", locale="", outcome="written", added=("cat",), removed=())
        written(world, job, {"tags": {"add": [CAT], "remove": []}}, put_on)
        undo(world)
        world.finish(world.deliverable()[0], "retry")
        world.later(60)
        [again] = world.deliverable()
        world.finish(again, "delivered", FieldOutcome(field="tags", locale="", outcome="unchanged", added=(), removed=()))
        assert world.ledger.provenance("s", "a").tags.editor_tags == ()

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

    def test_what_a_hook_described_is_known(self, world: World) -> None:
        hooked = world.described("a", "1", event_id="evt_1")
        world.ledger.start_backfill(Backfill(id="bkf_1", site_id="s", kind="generic", spec={}, started_ms=world.now))
        page = [world.request("b", backfill_id="bkf_1"), world.request("a", backfill_id="bkf_1")]
        [other, known] = world.ledger.feed_backfill("bkf_1", page, None, True, after=None)
        assert (known.job_id, known.created, other.created) == (hooked, False, True)
        assert (counts(world, "bkf_1")["fed"], counts(world, "bkf_1")["known"]) == (2, 1)
        assert world.status(hooked) == "described", "it is not replaced"
        assert [r.item.job_id for r in world.ledger.backfill_results("bkf_1").data] == [hooked, other.job_id]

    @pytest.mark.parametrize(
        "change",
        [{"anew": True}, {"asset_revision": "2"}, {"locales": ("en", "zh-Hans")}, {"profile": "news"}],
        ids=["asked anew", "new version", "another language", "another profile"],
    )
    def test_what_a_hook_described_is_fed_if_more_is_wanted(self, world: World, change: dict[str, Any]) -> None:
        world.described("a", "1", event_id="evt_1")
        world.ledger.start_backfill(Backfill(id="bkf_1", site_id="s", kind="generic", spec={}, started_ms=world.now))
        request = replace(world.request("a", backfill_id="bkf_1"), **change)
        [fresh] = world.ledger.feed_backfill("bkf_1", [request], None, True, after=None)
        assert fresh.created

    def test_what_a_hook_brought_and_did_not_come_to_an_end_is_fed(self, world: World) -> None:
        world.ledger.cancel(world.described("a", "1", event_id="evt_1"))
        [fresh] = backfill(world, "a")
        assert world.status(fresh) == "accepted"

    def test_a_listed_asset_is_described_although_it_was_deleted_before(self, world: World) -> None:
        job = world.accept("a")
        world.ledger.erase_asset("s", "a", deleted=True)
        [again] = backfill(world, "a")
        assert again != job
        assert world.status(again) == "accepted"
