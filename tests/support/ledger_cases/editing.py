"""Words that a person changed in the CMS, and what a write replaced."""

from __future__ import annotations

import json

from support.ledger_cases.world import World, description, said
from tagger.cms.base import Edit, EditedText
from tagger.cms.generic import callback
from tagger.delivery import FieldOutcome

ALT = EditedText(field="alt_text", locale="en")
TAGS = {"tags": {"add": [{"id": "t:cat", "label": "Cat"}, {"id": "t:sofa", "label": "sofa"}], "remove": []}}


class EditCases:
    def test_a_field_that_a_person_changed_is_not_replaced_again(self, world: World) -> None:
        world.described("a")
        world.finish(world.deliverable()[0], "delivered", said("written", "sha256:1"))
        world.ledger.record_edit("s", Edit(asset_id="a", texts=(ALT,)))
        world.ledger.record_edit("s", Edit(asset_id="a", texts=(ALT,)))  # the hook came twice
        world.described("a", "2")
        [claim] = world.deliverable()
        assert claim.editor_fields == {("alt_text", "en")}
        sent = json.loads(callback.body(claim))["data"]["fields"]["alt_text"]["en"]
        assert sent["if_current"] == {"in": []}, "not even where it is empty now"

    def test_an_edit_before_the_first_description_counts(self, world: World) -> None:
        world.ledger.record_edit("s", Edit(asset_id="a", texts=(ALT,)))
        world.described("a")
        world.described("b")
        mine, other = sorted(world.deliverable(), key=lambda claim: claim.asset_id)
        assert (mine.editor_fields, other.editor_fields) == ({("alt_text", "en")}, frozenset())

    def test_tags_that_a_person_changed_are_known_by_their_labels(self, world: World) -> None:
        claim = world.claimed(world.accept("a"))
        offered = [{"id": tag["id"], "label": tag["label"], "score": 0.9, "category": ""} for tag in TAGS["tags"]["add"]]
        world.ledger.complete(claim, world.tagged(offered), TAGS)
        [sending] = world.deliverable()
        added = FieldOutcome(field="tags", locale="", outcome="written", added=("t:cat", "t:sofa"), removed=())
        world.finish(sending, "delivered", added)
        world.ledger.record_edit("s", Edit(asset_id="a", tags_added=("Tibby",), tags_removed=("cat",)))
        world.described("a", "2")
        [claim_] = world.deliverable()
        assert (claim_.provenance_tags, claim_.editor_tags) == (("t:sofa",), ("t:cat",))

    def test_a_label_is_known_in_either_unicode_form(self, world: World) -> None:
        """A Mac sends `é` as two characters."""
        offered = {"tags": {"add": [{"id": "t:cafe", "label": "Caf\u00e9"}], "remove": []}}
        tags = world.tagged([{"id": "t:cafe", "label": "Caf\u00e9", "score": 0.9, "category": ""}])
        world.ledger.complete(world.claimed(world.accept("a")), tags, offered)
        [sending] = world.deliverable()
        added = FieldOutcome(field="tags", locale="", outcome="written", added=("t:cafe",), removed=())
        world.finish(sending, "delivered", added)
        world.ledger.record_edit("s", Edit(asset_id="a", tags_removed=("cafe\u0301",)))
        world.described("a", "2")
        [claim] = world.deliverable()
        assert (claim.provenance_tags, claim.editor_tags) == ((), ("t:cafe",))

    def test_what_a_write_replaced_is_stored_with_its_delivery(self, world: World) -> None:
        job_id = world.described("a")
        [claim] = world.deliverable()
        first = FieldOutcome(field="alt_text", locale="en", outcome="written", previous=None, previous_said=True)
        world.finish(claim, "delivered", first)
        delivery = world.ledger.delivery(claim.delivery_id)
        assert delivery.previous == {"alt_text": {"en": None}}, "null: the field was never set"
        assert delivery.outcomes[0].outcome == "written"
        world.described("a", "2")
        [claim] = world.deliverable()
        second = FieldOutcome(field="alt_text", locale="en", outcome="written", previous="Tabby cat", previous_said=True)
        world.finish(claim, "delivered", second)
        assert world.ledger.delivery(claim.delivery_id).previous == {"alt_text": {"en": "Tabby cat"}}
        assert world.ledger.job(job_id).status == "done"

    def test_an_answer_without_it_stores_nothing(self, world: World) -> None:
        world.described("a")
        [claim] = world.deliverable()
        world.finish(claim, "delivered", said("written"))
        assert world.ledger.delivery(claim.delivery_id).previous == {}

    def test_erasing_an_asset_forgets_its_edits(self, world: World) -> None:
        world.ledger.record_edit("s", Edit(asset_id="a", texts=(ALT,)))
        world.ledger.erase_asset("s", "a", deleted=True)
        claim = world.claimed(world.accept("a", "2"))
        world.ledger.complete(claim, description(), {"alt_text": {"en": {"value": "x"}}})
        assert world.deliverable()[0].editor_fields == frozenset()

    def test_what_a_cms_can_do_is_stored(self, world: World) -> None:
        assert world.ledger.capabilities_of("s") == (None, None)
        world.ledger.put_capabilities("s", {"cms": "WordPress"})
        assert world.ledger.capabilities_of("s") == ({"cms": "WordPress"}, world.now)
        world.later(1)
        world.ledger.put_capabilities("s", None)
        assert world.ledger.capabilities_of("s") == (None, world.now), "it was asked, and knows no such message"
