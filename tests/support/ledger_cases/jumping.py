"""A receiver that took messages which the ledger does not know: the ledger was restored, or it is a new one."""

from __future__ import annotations

import json
from typing import Any

from support.ledger_cases.world import FIELDS, World, description, said
from tagger.cms.generic import callback
from tagger.delivery import AttemptReport, DeliveryClaim, DeliveryStatus, FieldOutcome
from tagger.errors import SequenceStale

CAPTION = {"caption": {"en": {"value": "A cat on a mat."}}}


def refused(world: World, claim: DeliveryClaim, sequence: int, field: str = "alt_text") -> DeliveryStatus | None:
    """The receiver refuses the message: it took the message `sequence` before. `field`: empty for a message without any."""
    assert world.ledger.confirm_delivery(claim)
    stale = [FieldOutcome(field=field, locale="en", outcome="rejected", reason="stale_sequence")] if field else []
    report = AttemptReport(
        result="delivered", status=200, duration_ms=5, error=SequenceStale("It is ahead.").info().to_dict(),
        outcomes=tuple(stale), receiver_sequence=sequence,
    )  # fmt: skip
    return world.ledger.finish_delivery(claim, report, world.rng)


def described(world: World, fields: dict[str, Any], asset: str = "a") -> str:
    """A job that asks for these fields alone, so that its message covers no other."""
    job_id = world.accept(asset, fields=tuple(fields))
    world.ledger.complete(world.claimed(job_id), description(), fields)
    return job_id


class JumpCases:
    def test_a_message_that_is_refused_as_stale_is_sent_again_under_a_higher_number(self, world: World) -> None:
        job_id = world.described("a")
        [first] = world.deliverable()
        assert refused(world, first, 41) == "pending"
        [again] = world.deliverable()
        assert (again.delivery_id, again.sequence, again.failures) == (first.delivery_id, 42, 0)
        assert json.loads(callback.body(again))["data"]["sequence"] == 42
        assert world.ledger.confirm_delivery(again)
        assert world.finish(again, "delivered", said("written", "sha256:1")) == "delivered"
        assert world.status(job_id) == "done"
        world.described("a", "2")
        [newer] = world.deliverable()
        assert (newer.sequence, newer.provenance) == (43, {("alt_text", "en"): ("sha256:1",)})

    def test_a_message_without_fields_is_sent_again_under_a_higher_number(self, world: World) -> None:
        """Otherwise an editor would never see that there is nothing to say, or why a picture could not be described."""
        job_id = world.accept("a")
        world.ledger.complete(world.claimed(job_id), description(), {})
        [first] = world.deliverable()
        assert (first.fields, refused(world, first, 41, field="")) == ({}, "pending")
        [again] = world.deliverable()
        assert (again.delivery_id, again.sequence, again.failures) == (first.delivery_id, 42, 0)
        assert world.finish(again, "delivered") == "delivered"
        assert world.status(job_id) == "done"

    def test_the_same_number_under_another_id_is_passed_too(self, world: World) -> None:
        world.described("a")
        assert refused(world, world.deliverable()[0], 1) == "pending"
        assert world.deliverable()[0].sequence == 2

    def test_a_receiver_that_is_always_ahead_gets_each_message_twice_and_no_more(self, world: World) -> None:
        job_id = world.described("a")
        [claim] = world.deliverable()
        assert refused(world, claim, 41) == "pending"
        [claim] = world.deliverable()
        assert refused(world, claim, 1_000) == "delivered"
        assert world.deliverable() == []
        delivery = world.ledger.delivery(claim.delivery_id)
        assert [(o.outcome, o.reason) for o in delivery.outcomes] == [("rejected", "stale_sequence")]
        assert (delivery.sequence, world.status(job_id)) == (42, "done")

    def test_a_number_that_the_message_is_above_changes_nothing(self, world: World) -> None:
        for version in ("1", "2"):
            world.described("a", version)
            [claim] = world.deliverable()
            if version == "1":
                world.finish(claim, "delivered", said("written"))
        assert refused(world, claim, 1) == "delivered"
        assert world.ledger.delivery(claim.delivery_id).sequence == 2

    def test_messages_that_wait_behind_it_stay_in_order_and_are_sent(self, world: World) -> None:
        described(world, FIELDS)
        [first] = world.deliverable()
        described(world, CAPTION)
        assert world.deliverable() == [], "it waits for the older one"
        assert refused(world, first, 41) == "pending"
        sent = []
        while claims := world.deliverable():
            [claim] = claims
            assert world.ledger.confirm_delivery(claim)
            world.finish(claim, "delivered")
            sent.append((sorted(claim.fields), claim.sequence))
        assert sent == [(["alt_text"], 42), (["caption"], 43)]

    def test_a_receiver_that_is_ahead_by_little_moves_messages_onto_numbers_of_others(self, world: World) -> None:
        described(world, FIELDS)
        [first] = world.deliverable()
        described(world, CAPTION)
        assert refused(world, first, first.sequence) == "pending"
        [again] = world.deliverable()
        world.finish(again, "delivered")
        assert (again.sequence, [claim.sequence for claim in world.deliverable()]) == (2, [3])

    def test_other_assets_keep_their_numbers(self, world: World) -> None:
        world.described("a")
        [claim] = world.deliverable()
        world.described("b")
        refused(world, claim, 41)
        assert {claim.asset_id: claim.sequence for claim in world.deliverable()} == {"a": 42, "b": 1}

    def test_the_words_that_a_person_wrote_alike_do_not_become_ours(self, world: World) -> None:
        """`unchanged` after a refusal is the answer to a first attempt: the refused one wrote nothing."""
        world.described("a")
        refused(world, world.deliverable()[0], 41)
        [again] = world.deliverable()
        world.finish(again, "delivered", said("unchanged", "sha256:theirs"))
        world.described("a", "2")
        assert world.deliverable()[0].provenance == {}

    def test_an_erased_asset_counts_on(self, world: World) -> None:
        world.described("a")
        refused(world, world.deliverable()[0], 41)
        world.ledger.erase_asset("s", "a", deleted=False)
        world.described("a", "2")
        assert world.deliverable()[0].sequence == 43
