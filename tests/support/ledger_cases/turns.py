"""The order of messages. Two profiles for the same image: neither removes the texts of the other, and their messages are sent one
after the other. Uploads and an archive: the messages of uploads go first."""

from __future__ import annotations

from typing import Any

from support.ledger_cases.telling import UNREADABLE, died
from support.ledger_cases.world import FIELDS, World, description
from tagger.ledger.sending.messages import UPLOADS_FIRST_MS

TAGS = {"tags": {"add": [{"id": "cat", "label": "cat", "score": 0.9}], "remove": []}}


def described(world: World, fields: dict[str, Any], **more: Any) -> str:
    job_id = world.accept("a", **more)
    assert world.ledger.complete(world.claimed(job_id), description(), fields)
    return job_id


class TurnCases:
    def test_words_wait_for_their_turn_when_a_newer_delivery_is_about_other_fields(self, world: World) -> None:
        words = described(world, FIELDS, profile="news")
        tags = described(world, TAGS, profile="general")
        [first] = world.deliverable()
        assert (first.job_id, first.sequence) == (words, 1)
        assert world.ledger.confirm_delivery(first)
        assert world.finish(first, "retry") == "pending"
        assert world.deliverable() == []  # the tags would make the receiver refuse the words
        world.later(60)
        [again] = world.deliverable()
        assert again.job_id == words
        world.finish(again, "delivered")
        [second] = world.deliverable()
        assert (second.job_id, second.sequence) == (tags, 2)
        world.finish(second, "delivered")
        assert (world.status(words), world.status(tags)) == ("done", "done")

    def test_a_newer_delivery_that_says_all_of_an_older_one_supersedes_it(self, world: World) -> None:
        words = described(world, FIELDS, profile="news")
        both = described(world, {**FIELDS, **TAGS}, profile="general")
        assert world.delivery_status(words) == "superseded"
        assert [claim.job_id for claim in world.deliverable()] == [both]

    def test_a_dead_delivery_is_replayed_after_a_newer_one_about_other_fields(self, world: World) -> None:
        words = described(world, FIELDS, profile="news")
        [claim] = world.deliverable()
        assert world.finish(claim, "reject") == "dead"
        described(world, TAGS, profile="general")
        world.finish(world.deliverable()[0], "delivered")
        assert world.ledger.replay([claim.delivery_id]) == 1
        [again] = world.deliverable()
        assert (again.delivery_id, again.job_id, again.sequence) == (claim.delivery_id, words, 3)

    def test_parked_deliveries_of_one_asset_go_out_in_their_order(self, world: World) -> None:
        world.ledger.enable_endpoint("end_s", False)
        words = described(world, FIELDS, profile="news")
        tags = described(world, TAGS, profile="general")
        world.ledger.unpark("end_s")
        sent = []
        while claims := world.deliverable():
            [claim] = claims
            sent.append(claim.job_id)
            world.finish(claim, "delivered")
        assert sent == [words, tags]

    def test_of_two_dead_jobs_that_are_replayed_together_the_newer_has_the_last_word(self, world: World) -> None:
        old = died(world, "a", "1")
        world.later(1)
        new = died(world, "a", "2")
        world.ledger.replay([new, old])
        assert (world.status(old), world.status(new), world.ledger.dead_letters().data) == ("superseded", "accepted", [])
        assert world.claimed().job_id == new
        assert world.claim() is None

    def test_an_older_job_that_was_replayed_before_and_runs_is_superseded(self, world: World) -> None:
        old = died(world, "a", "1")
        world.later(1)
        new = died(world, "a", "2")
        assert world.ledger.replay([old]) == 1
        running = world.claimed(old)
        assert world.ledger.replay([new]) == 1
        assert not world.ledger.complete(running, description(), FIELDS)
        assert (world.status(old), world.status(new)) == ("superseded", "accepted")

    def test_dead_jobs_about_different_words_of_one_picture_are_both_replayed(self, world: World) -> None:
        both = [world.accept("a", fields=fields) for fields in (("alt_text",), ("tags",))]
        assert len(set(both)) == 2
        for job_id in both:
            assert world.ledger.fail(world.claimed(job_id), UNREADABLE, {}) == "dead"
        assert world.ledger.replay(both) == 2
        assert [world.status(job) for job in both] == ["accepted", "accepted"]

    def test_a_delivery_names_the_cms_of_its_site(self, world: World) -> None:
        world.site("other")
        world.ledger.change_site("other", {"cms": "wordpress"})
        world.described("a")
        world.described("b", site="other")
        assert {claim.site_id: claim.cms for claim in world.deliverable()} == {"s": "generic", "other": "wordpress"}

    def test_the_message_of_an_upload_goes_before_those_of_an_archive(self, world: World) -> None:
        """An archive's messages may wait by the thousand; whoever uploads an image waits for its text."""
        old = of_archive(world, "old")
        world.later(UPLOADS_FIRST_MS / 1000 + 1)
        recent = of_archive(world, "recent")
        upload = world.described("upload")
        order = [world.deliverable(limit=1)[0].job_id for _ in range(3)]
        assert order == [old, upload, recent]  # after ten minutes the archive has its turn, whatever is uploaded

    def test_the_next_attempt_of_a_message_is_never_said_to_be_before_its_beginning(self, world: World) -> None:
        delivery_id = world.ledger.job(world.described("upload")).delivery_id
        assert delivery_id is not None
        delivery = world.ledger.delivery(delivery_id)
        assert delivery.next_attempt_ms == delivery.created_ms == world.now


def of_archive(world: World, asset: str) -> str:
    job_id = world.accept(asset, lane="backfill")
    assert world.ledger.complete(world.claimed(job_id, lane="backfill"), description(), FIELDS)
    return job_id
