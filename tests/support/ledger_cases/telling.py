"""Messages that write nothing: a description without a text to publish, and the failure of a dead job."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from typing import Any

from sqlalchemy import NullPool, create_engine, text, update

from support.ledger_cases.world import BROKEN, FIELDS, World, description, said
from tagger.annotation import Annotation, Verdict
from tagger.backfill import Backfill
from tagger.cms.generic import callback
from tagger.delivery import SCHEDULE_MS, AttemptReport
from tagger.errors import DecodeError
from tagger.job import Description
from tagger.ledger.jobs import WITHOUT_VERDICT
from tagger.ledger.tables import delivery_bodies, jobs
from tagger.site import Site

REVIEW = Verdict(action="review", reasons=("low_score",))
TAGS = {"tags": {"add": [{"id": "cat", "label": "cat"}], "remove": []}}
UNREADABLE = DecodeError("Not an image.").info()


def for_review(text: str = "Perhaps a cat") -> Description:
    alt = Annotation(field="alt_text", locale="en", value=text, score=0.4, model="m@1", rules=(), verdict=REVIEW)
    return replace(description(), annotations=(alt,), verdict=REVIEW)


def told(world: World, asset: str, version: str = "1", **more: Any) -> str:
    """The id of a job for which nothing is to be written."""
    job_id = world.accept(asset, version, **more)
    assert world.ledger.complete(world.claimed(job_id), for_review(), {})
    return job_id


def died(world: World, asset: str, version: str = "1", **more: Any) -> str:
    job_id = world.accept(asset, version, **more)
    assert world.ledger.fail(world.claimed(job_id), UNREADABLE, {}) == "dead"
    return job_id


def sent(world: World) -> list[dict[str, Any]]:
    """What goes out now, and is delivered."""
    messages = []
    for claim in world.deliverable():
        messages.append(json.loads(callback.body(claim)))
        assert world.ledger.confirm_delivery(claim)
        assert world.finish(claim, "delivered") == "delivered"
    return messages


class TellingCases:
    def test_a_job_that_an_older_version_completed_gets_its_verdict(self, world: World) -> None:
        """During an upgrade workers of the version before 0.2 go on, and write rows without the new column."""
        old, new, running = told(world, "a"), told(world, "b"), world.claimed(world.accept("c")).job_id
        world.ledger._write(lambda tx: tx.conn.execute(update(jobs).where(jobs.c.id == old).values(verdict=None)))
        assert [job.id for job in world.ledger.jobs(verdict="review").data] == [new]
        assert [world.ledger.fill_verdicts(), world.ledger.fill_verdicts()] == [1, 0]
        assert {job.id for job in world.ledger.jobs(verdict="review").data} == {old, new}
        assert world.ledger.job(running).description is None

    def test_a_delivery_that_an_older_version_stored_tells_the_verdict_too(self, world: World) -> None:
        told(world, "a")
        world.ledger._write(lambda tx: tx.conn.execute(update(delivery_bodies).values(notice={})))
        [message] = sent(world)
        assert (message["data"]["verdict"], message["data"]["reasons"]) == ("review", ["low_score"])
        assert message["data"]["proposals"]["alt_text"]["en"]["value"] == "Perhaps a cat"

    def test_the_look_for_such_jobs_is_served_by_an_index(self, world: World) -> None:
        with create_engine(world.ledger._url, poolclass=NullPool).connect() as conn:
            postgres = conn.dialect.name == "postgresql"
            if postgres:
                conn.execute(text("SET enable_seqscan = off"))  # on a table this small it would be right
                conn.execute(text("SET enable_sort = off"))
            query = str(WITHOUT_VERDICT.limit(1).compile(conn, compile_kwargs={"literal_binds": True}))
            plan = conn.execute(text(f"{'EXPLAIN' if postgres else 'EXPLAIN QUERY PLAN'} {query}")).all()
            assert "jobs_without_verdict" in str(plan)

    def test_words_for_review_are_told_and_nothing_is_written(self, world: World) -> None:
        job_id = told(world, "a", metadata={"post": "88"})
        assert world.status(job_id) == "described"
        [message] = sent(world)
        assert message["type"] == "asset.described"
        data = message["data"]
        assert (data["sequence"], data["fields"], data["metadata"]) == (1, {}, {"post": "88"})
        assert (data["verdict"], data["reasons"]) == ("review", ["low_score"])
        assert data["proposals"]["alt_text"]["en"] == {
            "value": "Perhaps a cat", "reasons": ["low_score"], "source": "model", "model": "m@1", "score": 0.4,
        }  # fmt: skip
        assert world.status(job_id) == "done"
        assert world.ledger.reviews(site_id="s").data == []

    def test_a_message_without_a_write_leaves_the_provenance_as_it_was(self, world: World) -> None:
        claim = world.claimed(world.accept("a"))
        world.ledger.complete(claim, description(), {**FIELDS, **TAGS})
        [first] = world.deliverable()
        written = [said("written", "sha256:1"), replace(said("written"), field="tags", locale="", added=("cat",))]
        world.finish(first, "delivered", *written)
        told(world, "a", "2")
        [second] = world.deliverable()
        assert (second.sequence, second.fields) == (2, {})
        answer = callback.read_answer(second, b'{"fields": {}}')
        assert (answer.outcomes, answer.complaint, answer.gone) == ((), "", False)
        world.finish(second, "delivered", *answer.outcomes)
        world.described("a", "3")
        [third] = world.deliverable()
        assert (third.sequence, third.provenance, third.provenance_tags) == (3, {("alt_text", "en"): ("sha256:1",)}, ("cat",))

    def test_a_dead_job_is_told_with_its_error_once(self, world: World) -> None:
        job_id = died(world, "a", metadata={"post": "88"})
        [message] = sent(world)
        assert message["type"] == "asset.failed"
        data = message["data"]
        assert (data["job"], data["asset"], data["sequence"], data["metadata"]) == (job_id, {"id": "a"}, 1, {"post": "88"})
        assert {name: data["error"][name] for name in ("code", "detail", "remedy")} == {
            "code": "image_unreadable", "detail": "Not an image.", "remedy": UNREADABLE.remedy,
        }  # fmt: skip
        assert data["fields"] == {}
        assert world.status(job_id) == "dead"
        assert world.deliverable() == []
        assert [letter.kind for letter in world.ledger.dead_letters().data] == ["job"]

    def test_a_failure_that_is_tried_again_is_not_told(self, world: World) -> None:
        world.ledger.fail(world.claimed(world.accept("a")), BROKEN, {})
        assert world.ledger.deliveries().data == []

    def test_a_site_may_not_want_to_hear_of_failures(self, world: World) -> None:
        world.ledger.put_site(Site(id="s", name="s", tell_failed=False))
        died(world, "a")
        assert world.ledger.deliveries().data == []

    def test_nobody_is_told_where_nobody_listens(self, world: World) -> None:
        world.ledger.put_site(Site(id="mute", name="mute"))
        died(world, "a", site="mute")
        died(world, "b", deliver=False)
        quiet = world.accept("c", site="mute")
        assert world.ledger.complete(world.claimed(quiet), for_review(), {})
        assert world.status(quiet) == "done"
        assert world.ledger.deliveries().data == []

    def test_the_last_crash_is_told_too(self, world: World) -> None:
        job_id = world.accept("a")
        for _ in range(5):
            claim = world.claim(job_id) or world.claimed(job_id, lane="solo")
            world.ledger.crash(claim)
        assert world.status(job_id) == "dead"
        [message] = sent(world)
        assert (message["type"], message["data"]["error"]["code"]) == ("asset.failed", "crashed_worker")

    def test_a_failure_that_nobody_takes_is_a_dead_letter_and_makes_no_other_message(self, world: World) -> None:
        job_id = died(world, "a")
        for _ in SCHEDULE_MS:
            [claim] = world.deliverable()
            assert world.finish(claim, "retry") == "pending"
            world.later(2 * 86_400)
            world.ledger.beat("w")
        [claim] = world.deliverable()
        assert world.finish(claim, "retry") == "dead"
        assert sorted(letter.kind for letter in world.ledger.dead_letters().data) == ["delivery", "job"]
        world.later(90 * 86_400)
        world.ledger.beat("w")
        assert world.deliverable() == []
        assert len(world.ledger.deliveries().data) == 1
        assert world.status(job_id) == "dead"
        assert world.ledger.replay([claim.delivery_id]) == 1
        assert [message["type"] for message in sent(world)] == ["asset.failed"]

    def test_a_job_that_begins_anew_takes_back_that_it_failed(self, world: World) -> None:
        job_id = died(world, "a")
        assert world.ledger.replay([job_id]) == 1
        assert world.deliverable() == []
        world.ledger.complete(world.claimed(job_id), description(), FIELDS)
        [message] = sent(world)
        assert (message["type"], message["data"]["sequence"]) == ("asset.described", 2)
        assert world.status(job_id) == "done"

    def test_a_failure_under_way_does_not_end_the_job_that_began_anew(self, world: World) -> None:
        job_id = died(world, "a")
        [failure] = world.deliverable()
        assert world.ledger.replay([job_id]) == 1
        world.ledger.complete(world.claimed(job_id), description(), FIELDS)
        assert world.deliverable() == [], "one message about an asset is under way at a time"
        assert world.finish(failure, "delivered") == "delivered"
        assert world.status(job_id) == "described"
        assert [message["data"]["sequence"] for message in sent(world)] == [2]
        assert world.status(job_id) == "done"

    def test_a_failure_under_way_is_not_repeated_for_a_job_that_began_anew(self, world: World) -> None:
        job_id = died(world, "a")
        [failure] = world.deliverable()
        assert world.ledger.replay([job_id]) == 1
        assert world.finish(failure, "retry") == "superseded"
        world.later(60)
        assert world.deliverable() == []
        assert world.status(job_id) == "accepted"

    def test_both_dead_letters_of_one_image_may_be_replayed_at_once(self, world: World) -> None:
        job_id = died(world, "a")
        world.finish(world.deliverable()[0], "reject")
        letters = [letter.id for letter in world.ledger.dead_letters().data]
        assert world.ledger.replay(letters) == 2
        assert (world.ledger.dead_letters().data, world.deliverable()) == ([], [])
        assert world.status(job_id) == "accepted"

    def test_newer_words_supersede_a_failure_that_waits(self, world: World) -> None:
        died(world, "a", "1")
        new = world.described("a", "2")
        assert [claim.job_id for claim in world.deliverable()] == [new]

    def test_a_message_that_writes_nothing_supersedes_no_write(self, world: World) -> None:
        """Of another profile, so that both jobs stand beside each other."""
        words = world.described("a", "1")
        silent = told(world, "a", "2", profile="news")
        failed = died(world, "a", "3", profile="travel")
        assert world.delivery_status(words) == "pending"
        assert world.delivery_status(silent) == "superseded", "the failure tells of all that this one told of"
        assert [m["data"]["job"] for m in sent(world)] == [words]
        assert [m["data"]["job"] for m in sent(world)] == [failed]

    def test_a_proposal_that_waits_is_not_superseded_by_words_of_another_field(self, world: World) -> None:
        proposal = told(world, "a", fields=("alt_text",))
        tags = world.accept("a", fields=("tags",))
        world.ledger.complete(
            world.claimed(tags), description(), {"tags": {"add": [{"id": "cat", "label": "cat"}], "remove": []}}
        )
        assert [m["data"]["job"] for m in sent(world)] == [proposal]
        assert [m["data"]["job"] for m in sent(world)] == [tags]

    def test_an_endpoint_that_is_away_parks_them_like_others(self, world: World) -> None:
        world.ledger.enable_endpoint("end_s", False)
        jobs = [told(world, "a"), died(world, "b")]
        assert [world.delivery_status(job) for job in jobs] == ["parked", "parked"]
        world.ledger.enable_endpoint("end_s", True)
        assert {m["type"] for m in sent(world)} == {"asset.described", "asset.failed"}

    def test_a_404_to_a_failure_erases_nothing(self, world: World) -> None:
        job_id = died(world, "a")
        gone = AttemptReport(result="gone", status=404, duration_ms=5)
        assert world.ledger.finish_delivery(world.deliverable()[0], gone, world.rng) == "delivered"
        assert world.status(job_id) == "dead"

    def test_a_dead_failure_does_not_let_a_campaign_end_too_soon(self, world: World) -> None:
        plan = Backfill(id="bkf_1", site_id="s", kind="folder", spec={}, started_ms=world.now)
        world.ledger.start_backfill(plan)
        requests = [world.request(asset, backfill_id="bkf_1") for asset in ("a", "b")]
        first, _ = world.ledger.feed_backfill("bkf_1", requests, None, True, after=None)
        world.ledger.fail(world.claimed(first.job_id), UNREADABLE, {})
        world.finish(world.deliverable()[0], "reject")
        assert world.ledger.backfill("bkf_1").counts.get("undelivered", 0) == 0
        assert not world.ledger.backfill("bkf_1").finished, "b is not described yet"

    def test_a_write_that_dies_after_its_job_was_cancelled_does_not_let_a_campaign_end_too_soon(self, world: World) -> None:
        world.ledger.start_backfill(Backfill(id="bkf_1", site_id="s", kind="folder", spec={}, started_ms=world.now))
        requests = [world.request(asset, backfill_id="bkf_1") for asset in ("a", "b", "c", "d")]
        jobs = [a.job_id for a in world.ledger.feed_backfill("bkf_1", requests, None, True, after=None)]
        for job_id in jobs[:3]:
            world.ledger.complete(world.claimed(job_id), description(), FIELDS)
        sending = world.deliverable()
        world.ledger.cancel(jobs[0])
        world.accept("b", "2")  # supersedes
        assert [world.finish(claim, "reject") for claim in sending] == ["dead"] * 3

        def undelivered() -> int:
            return world.ledger.backfill("bkf_1").counts.get("undelivered", 0)

        assert undelivered() == 1, "only c waits for a person"
        assert world.ledger.finish_backfills() == [], "d is not described yet"
        letters = [letter.id for letter in world.ledger.dead_letters().data]
        assert (world.ledger.discard(letters), undelivered()) == (3, 0)
        world.ledger.cancel(jobs[3])
        assert world.ledger.finish_backfills() == ["bkf_1"]

    def test_jobs_are_listed_by_their_verdict_and_its_reasons(self, world: World) -> None:
        words, proposal, _dead = world.described("a"), told(world, "b"), died(world, "c")

        def listed(**chosen: Any) -> list[str]:
            return [job.id for job in world.ledger.jobs(**chosen).data]

        assert (
            listed(verdict="review") == listed(reason="low_score") == listed(verdict="review", reason="low_score") == [proposal]
        )
        assert listed(verdict="publish") == [words]
        assert listed(verdict="publish", reason="low_score") == listed(verdict="suppress") == listed(reason="low_scor_") == []
        assert len(listed()) == 3

    def test_a_dead_job_is_kept_until_its_failure_was_told(self, world: World) -> None:
        world.ledger.enable_endpoint("end_s", False)
        job_id = died(world, "a")
        world.later(10 * 86_400)
        world.ledger.beat("w")
        assert world.ledger.count_jobs(before_ms=world.now - 86_400_000) == 0
        assert world.ledger.expire_jobs(world.now - 86_400_000).jobs == 0
        world.ledger.enable_endpoint("end_s", True)
        assert [message["data"]["job"] for message in sent(world)] == [job_id]
        assert world.ledger.expire_jobs(world.now - 86_400_000).jobs == 1

    def test_the_migration_knows_the_verdicts_of_the_jobs_that_are_there(self, world: World) -> None:
        words, proposal, dead = world.described("a"), told(world, "b"), died(world, "c")
        world.ledger._write(lambda tx: tx.conn.execute(update(jobs).values(verdict=None)) and None)
        assert world.ledger.jobs(verdict="review").data == []
        fill = import_module("tagger.ledger.migrations.versions.0007_told").fill()
        world.ledger._write(lambda tx: tx.conn.execute(fill) and None)
        assert [job.id for job in world.ledger.jobs(verdict="review").data] == [proposal]
        assert [job.id for job in world.ledger.jobs(verdict="publish").data] == [words]
        assert world.status(dead) == "dead"
