"""Deliveries: order, outcomes, provenance, retries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.ledger_cases.world import FIELDS, World, description, said
from tagger.cms.generic import callback
from tagger.delivery import SCHEDULE_MS, AttemptReport, FieldOutcome
from tagger.errors import DecodeError


class DeliveryCases:
    def test_what_was_written_is_remembered_as_it_was_read_back(self, world: World) -> None:
        job_id = world.described("a", metadata={"post": "88"})
        [claim] = world.deliverable()
        assert (claim.sequence, claim.failures, claim.provenance, claim.metadata) == (1, 0, {}, {"post": "88"})
        assert (claim.fields, claim.endpoint.secrets) == (FIELDS, ("whsec_a",))
        assert world.ledger.confirm_delivery(claim)
        assert world.finish(claim, "delivered", said("written", "sha256:1")) == "delivered"
        job = world.ledger.job(job_id)
        assert job.status == "done"
        assert job.description is not None
        assert job.description.annotations[0].outcome == "written"
        assert world.finish(claim, "delivered") is None
        world.described("a", "2")
        [second] = world.deliverable()
        assert (second.sequence, second.provenance) == (2, {("alt_text", "en"): ("sha256:1",)})
        world.finish(second, "delivered", said("written", "sha256:2"))
        world.described("a", "3")
        assert world.deliverable()[0].provenance == {("alt_text", "en"): ("sha256:2", "sha256:1")}

    def test_the_trace_of_a_job_goes_on_in_its_delivery(self, world: World) -> None:
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        world.described("a", trace=trace)
        world.described("b")
        dead = world.accept("c", trace=trace)
        assert world.ledger.fail(world.claimed(dead), DecodeError("Not an image.").info(), {}) == "dead"
        assert {claim.asset_id: claim.trace for claim in world.deliverable()} == {"a": trace, "b": None, "c": trace}

    def test_tags_that_we_added_are_remembered(self, world: World) -> None:
        for version, add in (("1", ["cat", "sofa"]), ("2", ["cat", "dog"])):
            claim = world.claimed(world.accept("a", version))
            world.ledger.complete(claim, description(), {"tags": {"add": [{"id": tag} for tag in add], "remove": []}})
            [sending] = world.deliverable()
            world.finish(sending, "delivered", FieldOutcome(field="tags", locale="", outcome="written"))
        world.described("a", "3")
        assert world.deliverable()[0].provenance_tags == ("cat", "dog")

    def test_a_tag_that_stood_there_before_is_never_ours(self, world: World) -> None:
        claim = world.claimed(world.accept("a"))
        world.ledger.complete(claim, description(), {"tags": {"add": [{"id": "cat"}, {"id": "sofa"}], "remove": []}})
        [sending] = world.deliverable()
        world.finish(sending, "delivered", FieldOutcome(field="tags", locale="", outcome="written", added=("sofa",)))
        world.described("a", "2")
        assert world.deliverable()[0].provenance_tags == ("sofa",)

    def test_tags_that_an_earlier_write_put_on_stay_ours_when_nothing_was_added(self, world: World) -> None:
        for version, outcome in (("1", "written"), ("2", "unchanged"), ("3", "kept")):
            claim = world.claimed(world.accept("a", version))
            world.ledger.complete(claim, description(), {"tags": {"add": [{"id": "cat"}], "remove": []}})
            [sending] = world.deliverable()
            added = ("cat",) if version == "1" else ()
            world.finish(sending, "delivered", FieldOutcome(field="tags", locale="", outcome=outcome, added=added))  # type: ignore[arg-type]
        world.described("a", "4")
        assert world.deliverable()[0].provenance_tags == ("cat",)

    def test_tags_that_an_editor_typed_or_took_off_are_never_offered_or_removed_again(self, world: World) -> None:
        """An editor typed sofa and takes it off later; cat was ours, and the editor takes it off while nobody offers it."""

        def round_trip(version: str, offered: list[str], outcome: str, added: Any, removed: Any) -> dict[str, list[str]]:
            claim = world.claimed(world.accept("a", version))
            add = [{"id": tag, "label": tag, "score": 0.9} for tag in offered]
            world.ledger.complete(claim, description(), {"tags": {"add": add, "remove": []}})
            [sending] = world.deliverable()
            tags = json.loads(callback.body(sending))["data"]["fields"]["tags"]
            said = FieldOutcome(field="tags", locale="", outcome=outcome, added=added, removed=removed)  # type: ignore[arg-type]
            world.finish(sending, "delivered", said)
            return {"add": [tag["id"] for tag in tags["add"]], "remove": tags["remove"]}

        assert round_trip("1", ["cat", "sofa"], "written", ("cat",), ()) == {"add": ["cat", "sofa"], "remove": []}
        assert round_trip("2", ["dog", "sofa"], "written", ("dog",), ()) == {"add": ["dog"], "remove": ["cat"]}
        assert round_trip("3", ["cat", "dog", "sofa"], "unchanged", (), ()) == {"add": [], "remove": []}
        assert round_trip("4", ["lamp"], "written", ("lamp",), ("dog",)) == {"add": ["lamp"], "remove": ["dog"]}
        assert round_trip("5", ["dog"], "written", ("dog",), ("lamp",)) == {"add": ["dog"], "remove": ["lamp"]}, "it was our own"
        assert round_trip("6", ["cat", "dog", "lamp", "sofa"], "unchanged", (), ())["add"] == ["lamp"]

    def test_a_tag_that_stood_there_is_remembered_when_nothing_was_written(self, world: World) -> None:
        for version, offered in (("1", ["cat"]), ("2", ["cat", "dog"])):
            claim = world.claimed(world.accept("a", version))
            world.ledger.complete(claim, description(), {"tags": {"add": [{"id": tag} for tag in offered], "remove": []}})
            [sending] = world.deliverable()
            world.finish(sending, "delivered", FieldOutcome(field="tags", locale="", outcome="unchanged", added=(), removed=()))
        world.described("a", "3")
        [claim] = world.deliverable()
        assert (claim.provenance_tags, claim.editor_tags, claim.provenance) == ((), ("cat", "dog"), {})

    def test_a_lost_answer_makes_no_tag_of_ours_a_persons(self, world: World) -> None:
        for version, offered, added in (("1", "cat", ("cat",)), ("2", "dog", ("dog",))):
            claim = world.claimed(world.accept("a", version))
            world.ledger.complete(claim, description(), {"tags": {"add": [{"id": offered}], "remove": []}})
            [sending] = world.deliverable()
            world.finish(sending, "retry")  # it did act: cat off, dog on
            world.later(60)
            [sending] = world.deliverable()
            said = FieldOutcome(field="tags", locale="", outcome="unchanged", added=added, removed=())
            world.finish(sending, "delivered", said)
        world.described("a", "3")
        [claim] = world.deliverable()
        assert (claim.provenance_tags, claim.editor_tags) == (("dog",), ())

    def test_kept_goes_to_a_person_and_the_job_is_done(self, world: World) -> None:
        job_id = world.described("a")
        world.finish(world.deliverable()[0], "delivered", said("kept"))
        [review] = world.ledger.reviews(site_id="s").data
        assert (review.job_id, review.field, review.locale) == (job_id, "alt_text", "en")
        assert world.status(job_id) == "done"
        world.described("a", "2")
        assert world.deliverable()[0].provenance == {}

    def test_unchanged_is_ours_only_when_an_earlier_try_may_have_written_it(self, world: World) -> None:
        world.described("theirs")
        world.finish(world.deliverable()[0], "delivered", said("unchanged", "sha256:1"))
        world.described("ours")
        world.finish(world.deliverable()[0], "retry")
        world.later(60)
        world.finish(world.deliverable()[0], "delivered", said("unchanged", "sha256:1"))
        world.described("theirs", "2")
        world.described("ours", "2")
        known = {claim.asset_id: claim.provenance for claim in world.deliverable()}
        assert known == {"theirs": {}, "ours": {("alt_text", "en"): ("sha256:1",)}}

    def test_unchanged_is_not_ours_when_every_earlier_try_found_the_endpoint_away(self, world: World) -> None:
        world.described("theirs")
        world.finish(world.deliverable()[0], "park")  # meanwhile an editor types the very same words
        world.later(60)
        world.finish(world.deliverable()[0], "delivered", said("unchanged", "sha256:1"))
        world.described("theirs", "2")
        assert world.deliverable()[0].provenance == {}

    def test_unchanged_is_not_ours_when_the_earlier_try_was_called_back_before_it_was_sent(self, world: World) -> None:
        world.described("theirs")
        [sending] = world.deliverable()
        world.ledger.pause_writes("s", True)
        assert not world.ledger.confirm_delivery(sending)
        world.ledger.pause_writes("s", False)
        world.finish(world.deliverable()[0], "delivered", said("unchanged", "sha256:1"))
        world.described("theirs", "2")
        assert world.deliverable()[0].provenance == {}

    def test_the_write_of_a_cancelled_job_is_not_tried_again(self, world: World) -> None:
        job_id = world.described("a")
        [sending] = world.deliverable()
        assert world.ledger.confirm_delivery(sending)
        assert world.ledger.cancel(job_id) == "cancelled"
        assert world.finish(sending, "retry") == "superseded"
        world.later(60)
        assert world.deliverable() == []

    def test_a_dead_write_of_a_cancelled_job_is_not_replayed(self, world: World) -> None:
        job_id = world.described("a")
        [sending] = world.deliverable()
        world.ledger.cancel(job_id)
        assert world.finish(sending, "reject") == "dead"
        assert world.ledger.replay([sending.delivery_id]) == 0
        assert (world.delivery_status(job_id), world.ledger.dead_letters().data) == ("discarded", [])

    def test_a_job_cancelled_before_its_claimed_delivery_connects_writes_nothing(self, world: World) -> None:
        job_id = world.described("a")
        [sending] = world.deliverable()
        world.ledger.cancel(job_id)
        assert not world.ledger.confirm_delivery(sending)
        assert world.status(job_id) == "cancelled"
        assert world.deliverable() == []

    def test_an_older_picture_is_not_described_again_once_a_newer_one_was_accepted(self, world: World) -> None:
        world.described("a", "1")
        [sending] = world.deliverable()
        new = world.accept("a", "2")
        assert world.finish(sending, "retry") == "superseded"
        world.later(60)
        assert world.deliverable() == []
        assert world.status(new) == "accepted"

    @pytest.mark.parametrize(("result", "status", "outcome"), [("gone", 404, "gone"), ("delivered", 200, "unverified")])
    def test_an_answer_without_words_on_fields(self, world: World, result: Any, status: int, outcome: str) -> None:
        job_id = world.described("a")
        report = AttemptReport(result=result, status=status, duration_ms=5)
        assert world.ledger.finish_delivery(world.deliverable()[0], report, world.rng) == "delivered"
        job = world.ledger.job(job_id)
        assert job.description is not None
        assert (job.status, job.description.annotations[0].outcome) == ("done", outcome)

    def test_a_newer_annotation_supersedes_one_that_waits(self, world: World) -> None:
        old, new = world.described("a", "1"), world.described("a", "2")
        assert (world.status(old), world.delivery_status(old)) == ("superseded", "superseded")
        assert [claim.job_id for claim in world.deliverable()] == [new]

    def test_a_newer_annotation_waits_for_one_that_is_being_sent(self, world: World) -> None:
        old = world.described("a", "1")
        [sending] = world.deliverable()
        assert world.ledger.confirm_delivery(sending)
        new = world.described("a", "2")
        assert world.deliverable() == []
        assert world.finish(sending, "delivered") == "delivered"
        assert [(claim.job_id, claim.sequence) for claim in world.deliverable()] == [(new, 2)]
        assert world.status(old) == "superseded"

    def test_a_deliverer_that_slept_does_not_send_what_was_overtaken(self, world: World) -> None:
        world.described("a", "1")
        [sending] = world.deliverable()
        new = world.described("a", "2")
        assert not world.ledger.confirm_delivery(sending)
        assert [claim.job_id for claim in world.deliverable()] == [new]
        assert not world.ledger.confirm_delivery(sending)
        assert world.finish(sending, "delivered") is None

    def test_a_failed_attempt_of_something_overtaken_is_not_repeated(self, world: World) -> None:
        world.described("a", "1")
        [sending] = world.deliverable()
        new = world.described("a", "2")
        assert world.finish(sending, "retry") == "superseded"
        assert [claim.job_id for claim in world.deliverable()] == [new]

    def test_attempts_follow_the_schedule_and_end_as_a_dead_letter(self, world: World) -> None:
        job_id = world.described("a")
        [claim] = world.deliverable()
        for number in range(len(SCHEDULE_MS)):
            assert world.finish(claim, "retry") == "pending"
            due = world.ledger.delivery(claim.delivery_id).next_attempt_ms
            assert due is not None
            assert 0.79 < (due - world.now) / SCHEDULE_MS[number] < 1.21
            assert world.deliverable() == []
            world.now = due
            [claim] = world.deliverable()
        assert world.finish(claim, "retry") == "dead"
        assert world.status(job_id) == "described"
        assert len(world.ledger.attempts(claim.delivery_id)) == len(SCHEDULE_MS) + 1
        [letter] = world.ledger.dead_letters().data
        assert (letter.id, letter.kind, letter.job_id, letter.error["code"]) == (
            claim.delivery_id, "delivery", job_id, "delivery_exhausted",
        )  # fmt: skip
        assert world.ledger.replay([letter.id]) == 1
        [again] = world.deliverable()
        assert (again.delivery_id, again.failures) == (claim.delivery_id, 0)
        world.finish(again, "delivered")
        assert world.status(job_id) == "done"

    def test_a_refusal_is_a_dead_letter_at_once_and_may_be_discarded(self, world: World) -> None:
        job_id = world.described("a")
        [claim] = world.deliverable()
        assert world.finish(claim, "reject") == "dead"
        assert world.ledger.discard([claim.delivery_id]) == 1
        assert (world.status(job_id), world.delivery_status(job_id)) == ("done", "discarded")
        assert world.ledger.dead_letters().data == []

    def test_a_dead_delivery_that_was_overtaken_is_not_replayed(self, world: World) -> None:
        world.described("a", "1")
        [claim] = world.deliverable()
        world.finish(claim, "reject")
        world.described("a", "2")
        assert world.ledger.replay([claim.delivery_id]) == 0
        assert world.ledger.dead_letters().data == []

    def test_retry_after_slows_that_endpoint_only(self, world: World) -> None:
        world.site("calm")
        for number in range(3):
            world.described(f"a{number}")
        claims = {claim.asset_id: claim for claim in world.deliverable(limit=1)}
        [claim] = claims.values()
        world.finish(claim, "retry", retry_after_ms=90_000)
        world.described("b", site="calm")
        assert [c.site_id for c in world.deliverable()] == ["calm"]
        world.later(91)
        assert {c.site_id for c in world.deliverable()} == {"s"}

    def test_claims_are_shared_among_endpoints(self, world: World) -> None:
        world.site("small")
        for number in range(8):
            world.described(f"a{number}")
        world.described("b", site="small")
        assert {claim.site_id for claim in world.deliverable(limit=4)} == {"s", "small"}

    def test_a_paused_site_is_not_written_to(self, world: World) -> None:
        world.described("a")
        world.described("b")
        [sending] = world.deliverable(limit=1)
        world.ledger.pause_writes("s", True)
        assert not world.ledger.confirm_delivery(sending)
        assert world.deliverable() == []
        world.ledger.pause_writes("s", False)
        assert {claim.asset_id for claim in world.deliverable()} == {"a", "b"}

    def test_the_delivery_of_a_dead_deliverer_goes_again_uncharged(self, world: World) -> None:
        world.described("a")
        [lost] = world.deliverable()
        world.later(7)
        world.worker("other")
        [gone] = world.ledger.expire_workers()
        assert gone.worker_id == "w"
        [again] = world.ledger.claim_deliveries(worker_id="other", limit=5)
        assert (again.delivery_id, again.failures) == (lost.delivery_id, 0)
        assert world.ledger.claim_deliveries(worker_id="w", limit=5) == []
        assert world.finish(lost, "delivered") is None
