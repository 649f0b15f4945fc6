"""Accepting, claiming, finishing and failing jobs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import patch

import pytest

from support.ledger_cases.world import BROKEN, FIELDS, World, description
from tagger.asset import ImageSource
from tagger.errors import DecodeError, LedgerUnavailable, NotFound
from tagger.job import LONGEST_ASKED_MS, MAX_ATTEMPTS, RETRY_AFTER_MS, JobRequest


class JobCases:
    def test_the_same_hook_five_times_at_once_is_one_job(self, world: World) -> None:
        with world.second_process() as other, ThreadPoolExecutor(5) as pool:
            ledgers = [world.ledger, other, world.ledger, other, world.ledger]
            answers = list(pool.map(lambda ledger: ledger.accept([world.request("a")])[0], ledgers))
        assert len({a.job_id for a in answers}) == 1
        assert sum(a.created for a in answers) == 1
        assert world.ledger.open_jobs("s") == 1

    def test_versions_of_different_kinds_that_look_alike_are_told_apart(self, world: World) -> None:
        """Q22: an event 3, a revision 3, bytes with the hash 3 and an image at the address 3 are four versions."""
        mark = "3"
        plain = JobRequest(site_id="s", asset_id="a", source=ImageSource(kind="url", location="https://cms.example/a.jpg"))
        versions = {
            "event": replace(plain, event_id=mark, asset_revision="1"),
            "revision": replace(plain, asset_revision=mark),
            "hash": replace(plain, source=ImageSource(kind="blob", location="k", sha256=mark)),
            "location": replace(plain, source=ImageSource(kind="file", location=mark, root="/")),
        }
        for order in (list(versions), list(reversed(versions))):
            asset = "-".join(order)
            answers = [world.ledger.accept([replace(versions[kind], asset_id=asset)])[0] for kind in order]
            assert [a.created for a in answers] == [True] * 4
            again = [world.ledger.accept([replace(versions[kind], asset_id=asset)])[0] for kind in order[-1:]]
            assert [a.created for a in again] == [False]
            assert [world.status(a.job_id) for a in answers] == ["superseded"] * 3 + ["accepted"]

    def test_jobs_from_before_the_kinds_keep_their_identity(self, world: World) -> None:
        """A hook that came before an upgrade, and comes again behind it, is still one job; what looks like it is another."""
        hook = replace(world.request("a", "7"), event_id="3")
        with patch.object(JobRequest, "identity", JobRequest.old_identity):  # as the version before wrote them
            [before] = world.ledger.accept([hook])
            [upload] = world.ledger.accept([world.request("b", "3")])
        assert world.ledger.accept([hook])[0].job_id == before.job_id
        assert world.ledger.accept([world.request("b", "3")])[0].job_id == upload.job_id
        [revision] = world.ledger.accept([world.request("a", "3")])
        assert (revision.created, world.status(before.job_id)) == (True, "superseded")
        world.ledger.cancel(upload.job_id)
        [again, same] = world.ledger.accept([world.request("b", "3")] * 2)
        assert (again.created, same.job_id) == (True, again.job_id)

    def test_the_same_request_twice_in_one_call_is_one_job(self, world: World) -> None:
        first, second = world.ledger.accept([world.request("a"), world.request("a")])
        assert first.job_id == second.job_id
        assert len(world.ledger.jobs().data) == 1

    def test_a_rehearsal_says_what_accepting_would_say_and_stores_nothing(self, world: World) -> None:
        described = world.described("a", "1")
        cancelled = world.accept("b", "1")
        world.ledger.cancel(cancelled)
        requests = [world.request("a", "1"), world.request("b", "1"), world.request("c"), world.request("a", "2")]
        before = (world.ledger.jobs().data, world.ledger.lane_counts(), world.ledger.open_jobs("s"))
        rehearsed = world.ledger.rehearse(requests)
        assert (world.ledger.jobs().data, world.ledger.lane_counts(), world.ledger.open_jobs("s")) == before
        assert world.status(described) == "described", "not superseded by a rehearsal"
        assert [a.created for a in rehearsed] == [False, True, True, True]
        assert [a.created for a in world.ledger.accept(requests)] == [a.created for a in rehearsed]
        assert world.ledger.rehearse([]) == []

    def test_a_newer_version_supersedes_the_open_job_and_its_waiting_delivery(self, world: World) -> None:
        described = world.described("a", "1")
        running = world.claimed(world.accept("b", "1"))
        world.accept("a", "2")
        world.accept("b", "2")
        assert world.status(described) == world.status(running.job_id) == "superseded"
        assert world.delivery_status(described) == "superseded"
        assert not world.ledger.complete(running, description(), FIELDS)
        assert world.ledger.fail(running, BROKEN, {}) is None

    def test_uploaded_bytes_are_needed_while_a_job_may_still_read_them(self, world: World) -> None:
        def upload(key: str) -> str:
            source = ImageSource(kind="blob", location=key, sha256=key)
            [accepted] = world.ledger.accept([JobRequest(site_id="s", asset_id=key, source=source)])
            return accepted.job_id

        jobs = {key: upload(key) for key in ("waits", "done", "dead", "discarded")}
        for key in ("dead", "discarded"):
            world.ledger.fail(world.claimed(jobs[key]), DecodeError("No image.").info(), {})
        world.ledger.complete(world.claimed(jobs["done"]), description(), FIELDS)
        assert world.ledger.blobs_needed([*jobs, "orphan"]) == {"waits", "dead", "discarded"}
        world.ledger.discard([jobs["discarded"]])
        assert world.ledger.blobs_needed([*jobs, "orphan"]) == {"waits", "dead"}

    def test_of_two_versions_in_one_call_the_later_stays(self, world: World) -> None:
        old, new = world.ledger.accept([world.request("a", "1"), world.request("a", "2")])
        assert (world.status(old.job_id), world.status(new.job_id)) == ("superseded", "accepted")

    def test_a_backfill_that_takes_over_an_upload_is_as_quick_as_the_upload(self, world: World) -> None:
        upload = world.accept("a", "1")
        taken = world.accept("a", "2", lane="backfill")
        plain = world.accept("b", "1", lane="backfill")
        assert world.status(upload) == "superseded"
        assert world.claimed(taken).lane == "upload"
        assert world.claimed(plain, lane="backfill").lane == "backfill"
        counts = world.ledger.lane_counts()
        assert [(counts[lane].claimable, counts[lane].running) for lane in ("upload", "backfill")] == [(0, 1), (0, 1)]

    def test_describe_supersedes_nothing(self, world: World) -> None:
        """A caller that only reads the result must not take the upload's write-back away."""
        job = world.accept("a", "1")
        world.accept("a", "2", deliver=False)
        assert world.status(job) == "accepted"

    def test_claim_gives_the_named_job_else_the_oldest_else_none(self, world: World) -> None:
        first = world.accept("a")
        world.later(1)
        second = world.accept("b")
        world.later(1)
        third = world.accept("c")
        assert world.claimed(second).job_id == second
        assert world.claimed(second).job_id == first
        assert world.claim(third, lane="backfill") is None
        assert world.claimed("job_unknown").job_id == third
        assert world.claim() is None

    def test_an_unknown_worker_claims_nothing(self, world: World) -> None:
        world.accept("a")
        with pytest.raises(NotFound):
            world.claim(worker="nobody")

    def test_completing_leaves_result_and_delivery_together(self, world: World) -> None:
        claim = world.claimed(world.accept("a", metadata={"post": "88"}))
        assert world.ledger.complete(claim, description("A cat", ("gme@12ab", b"\x00\x3c")), FIELDS)
        job = world.ledger.job(claim.job_id)
        assert (job.status, job.error, job.crashes) == ("described", None, 0)
        assert job.description is not None
        assert job.description.annotations[0].value == "A cat"
        assert (job.description.sha256, job.description.timings_ms) == ("ab" * 32, {"model": 88})
        assert job.delivery_id is not None
        assert world.ledger.delivery(job.delivery_id).status == "pending"
        assert [(v.asset_id, v.model, v.vector) for v in world.ledger.vectors("s", "gme").data] == [
            ("a", "gme@12ab", b"\x00\x3c")
        ]
        assert not world.ledger.complete(claim, description(), FIELDS)

    def test_only_the_latest_embedding_of_a_model_is_kept(self, world: World) -> None:
        for version, vector in (("1", b"old!"), ("2", b"new!")):
            claim = world.claimed(world.accept("a", version))
            world.ledger.complete(claim, description(embedding=(f"gme@{version}", vector)), FIELDS)
        assert [(v.model, v.vector) for v in world.ledger.vectors("s", "gme").data] == [("gme@2", b"new!")]

    def test_without_anything_to_deliver_the_job_is_done(self, world: World) -> None:
        world.ledger.put_site(world.ledger.get_site("s"))
        claim = world.claimed(world.accept("a"))
        assert world.ledger.complete(claim, description(), None)
        nowhere = world.claimed(world.accept("b", site="without-endpoint"))
        assert world.ledger.complete(nowhere, description(), FIELDS)
        assert world.status(claim.job_id) == world.status(nowhere.job_id) == "done"
        assert world.deliverable() == []

    def test_a_commit_whose_answer_was_lost_counts_once(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        claim = world.claimed(world.accept("a"))
        submit = world.ledger._writer.submit
        lost = []

        def lose(work: object, **options: bool) -> object:
            result = submit(work, **options)  # type: ignore[arg-type]
            if not lost:
                lost.append(result)
                raise LedgerUnavailable("The connection broke at COMMIT.")
            return result

        monkeypatch.setattr(world.ledger._writer, "submit", lose)
        monkeypatch.setattr("tagger.ledger.claims.work.SETTLE_PAUSE_SECONDS", 0)
        assert world.ledger.complete(claim, description(), FIELDS)
        assert len(world.ledger.deliveries().data) == 1

    def test_an_image_waits_as_long_as_its_server_asks(self, world: World) -> None:
        """Five attempts in six minutes would only make a server angry that asks for an hour."""
        job_id, began = world.accept("a"), world.now
        assert world.ledger.fail(world.claimed(), BROKEN, {}, wait_ms=3_600_000) == "accepted"
        assert world.ledger.job(job_id).next_attempt_ms == began + 3_600_000
        world.later(3_599)
        assert world.claim() is None
        world.later(1)
        assert world.ledger.fail(world.claimed(), BROKEN, {}, wait_ms=1) == "accepted"
        assert world.ledger.job(job_id).next_attempt_ms == world.now + RETRY_AFTER_MS[1], "never sooner than by the schedule"
        world.later(60)
        assert world.ledger.fail(world.claimed(), BROKEN, {}, wait_ms=10**12) == "accepted"
        assert world.ledger.job(job_id).next_attempt_ms == world.now + LONGEST_ASKED_MS

    def test_a_typed_failure_waits_then_runs_again_until_attempts_are_spent(self, world: World) -> None:
        job_id = world.accept("a")
        for attempt in range(1, MAX_ATTEMPTS):
            assert world.ledger.fail(world.claimed(), BROKEN, {"fetch": 20}) == "accepted"
            assert world.claim(job_id) is None
            job = world.ledger.job(job_id)
            assert (job.failures, job.crashes, job.error) == (attempt, 0, BROKEN)
            assert job.next_attempt_ms is not None
            assert world.ledger.lane_counts()["upload"].waiting == 1
            world.now = job.next_attempt_ms
        assert world.ledger.fail(world.claimed(), BROKEN, {}) == "dead"
        counts = world.ledger.dead_letter_counts()
        assert (counts.open, counts.ever) == ({"job": 1}, {"job": 1})
        assert counts.causes == {("job", BROKEN.code): 1}
        [letter] = world.ledger.dead_letters(site_id="s", code=BROKEN.code).data
        assert (letter.id, letter.kind, letter.failures, letter.error["detail"]) == (job_id, "job", MAX_ATTEMPTS, "Timed out.")
        assert world.ledger.replay([job_id, "job_unknown"]) == 1
        assert world.ledger.dead_letters().data == []
        counts = world.ledger.dead_letter_counts()
        assert (counts.open, counts.ever, counts.causes) == ({}, {"job": 1}, {})
        assert world.ledger.complete(world.claimed(), description(), FIELDS)
        assert world.ledger.job(job_id).error is None

    def test_an_error_that_no_retry_mends_is_the_end(self, world: World) -> None:
        claim = world.claimed(world.accept("a"))
        assert world.ledger.fail(claim, DecodeError("Not an image.").info(), {}) == "dead"
        assert world.ledger.discard([claim.job_id]) == 1
        assert world.ledger.dead_letters().data == []
        assert world.status(claim.job_id) == "dead"

    def test_a_dead_job_that_a_newer_one_overtook_is_not_replayed(self, world: World) -> None:
        claim = world.claimed(world.accept("a", "1"))
        world.ledger.fail(claim, DecodeError().info(), {})
        world.later(1)
        world.described("a", "2")
        assert world.ledger.replay([claim.job_id]) == 0

    def test_a_released_job_keeps_its_place_and_is_not_charged(self, world: World) -> None:
        first = world.accept("a")
        world.later(1)
        world.accept("b")
        claim = world.claimed(first)
        assert world.ledger.release(claim)
        assert not world.ledger.release(claim)
        again = world.claimed()
        assert (again.job_id, again.failures, again.crashes) == (first, 0, 0)

    def test_cancelling(self, world: World) -> None:
        described = world.described("a")
        running = world.claimed(world.accept("b"))
        assert world.ledger.cancel(described) == world.ledger.cancel(running.job_id) == "cancelled"
        assert world.delivery_status(described) == "discarded"
        assert not world.ledger.complete(running, description(), FIELDS)
        assert world.ledger.cancel(running.job_id) == "cancelled"
        with pytest.raises(NotFound):
            world.ledger.cancel("job_unknown")

    def test_lists_go_page_by_page_newest_first(self, world: World) -> None:
        made = []
        for number in range(5):
            made.append(world.accept(f"a{number}"))
            world.later(1)
        first = world.ledger.jobs(site_id="s", limit=3)
        rest = world.ledger.jobs(site_id="s", limit=3, cursor=first.next_cursor)
        assert [job.id for job in [*first.data, *rest.data]] == made[::-1]
        assert rest.next_cursor is None
        assert [job.id for job in world.ledger.jobs(asset_id="a2", status="accepted").data] == [made[2]]
        assert world.ledger.jobs(status="done").data == []

    def test_more_words_of_a_picture_that_is_known_are_a_job_of_their_own(self, world: World) -> None:
        first = world.described("a", fields=("alt_text",), locales=("en",))
        [again] = world.ledger.accept([world.request("a", fields=("alt_text",), locales=("en",))])
        assert (again.job_id, again.created) == (first, False)
        chinese = world.ledger.accept([world.request("a", fields=("alt_text",), locales=("en", "zh-Hans"))])[0]
        assert chinese.created
        twice = world.ledger.accept([world.request("a", fields=("alt_text",), locales=("zh-Hans",))])[0]
        assert (twice.job_id, twice.created) == (chinese.job_id, False)

    def test_other_words_of_the_same_picture_do_not_end_a_job_that_is_open(self, world: World) -> None:
        first = world.accept("a", fields=("alt_text",))
        second = world.accept("a", fields=("tags",))
        assert [world.status(job) for job in (first, second)] == ["accepted", "accepted"]
        newer = world.accept("a", "2", fields=("tags",))
        assert [world.status(job) for job in (first, second, newer)] == ["superseded", "superseded", "accepted"]

    def test_what_was_cancelled_may_be_asked_for_again(self, world: World) -> None:
        first = world.accept("a")
        world.ledger.cancel(first)
        again = world.ledger.accept([world.request("a")])[0]
        assert (again.created, again.status) == (True, "accepted")

    def test_a_job_that_was_only_looked_at_does_not_swallow_one_that_is_to_be_written(self, world: World) -> None:
        looked = world.accept("a", deliver=False)
        [written] = world.ledger.accept([world.request("a")])
        assert written.created
        assert [world.status(job) for job in (looked, written.job_id)] == ["accepted", "accepted"]
