"""Which workers are alive, and what happens to the jobs of dead workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import bindparam, create_engine, update
from sqlalchemy.pool import NullPool

from support.ledger_cases.world import BROKEN, FIELDS, World, description
from tagger.job import DEAD_AFTER_SOLO_CRASHES
from tagger.ledger.claims.checking import RESTART_MS
from tagger.ledger.claims.workers import LEASE_MS
from tagger.ledger.tables import job_requests


def start(world: World, worker: str, checks: bool | None, role: str = "tag", lane: Any = "upload") -> None:
    world.ledger.register_worker(worker, role=role, lane=lane, host="here", pid=1, checks=checks)


class CrashCases:
    def test_what_the_living_workers_of_a_lane_offer_is_known(self, world: World) -> None:
        def start(worker: str, checks: bool | None, role: str = "tag", lane: Any = "upload") -> None:
            world.ledger.register_worker(worker, role=role, lane=lane, host="here", pid=1, checks=checks)

        world.ledger.retire_worker("w")
        start("deliverer", None, role="deliver", lane=None)
        start("backfill", True, lane="backfill")
        assert world.ledger.checks_offered("upload") is None, "no worker of this lane is alive"
        assert world.ledger.checks_offered("backfill") is True
        start("without", False)
        assert world.ledger.checks_offered("upload") is False
        start("with", True)
        assert world.ledger.checks_offered("upload") is True
        world.ledger.retire_worker("with")
        assert world.ledger.checks_offered("upload") is False
        start("older", None)
        assert world.ledger.checks_offered("upload") is True, "it did not say, and must not stop what it can do"
        world.later(LEASE_MS / 1000 + 1)
        assert world.ledger.checks_offered("upload") is None, "whoever is silent for a lease offers nothing"

    def test_a_worker_that_cannot_check_texts_leaves_them_to_one_that_can(self, world: World) -> None:
        world.ledger.retire_worker("w")
        start(world, "without", False)
        start(world, "with", True)
        check, cat = world.accept("cat", check_text="A cat", deliver=False), world.accept("cat")
        assert world.claimed(check, "without").job_id == cat, "its hint named the check"
        assert world.claim(check, "without") is None
        assert (world.ledger.has_due("upload", "without"), world.ledger.has_due("upload", "with")) == (False, True)
        assert world.claimed(None, "with").job_id == check

    def test_a_worker_that_can_check_texts_takes_every_job(self, world: World) -> None:
        start(world, "without", False)
        start(world, "with", True)
        jobs = [world.accept("cat"), world.accept("cat", check_text="A cat", deliver=False), world.accept("dog")]
        assert [world.claimed(None, "with").job_id for _ in jobs] == jobs

    @pytest.mark.parametrize("elsewhere", ["lane", "role"])
    def test_where_no_worker_of_the_lane_can_check_a_text_the_job_is_taken_and_told(self, world: World, elsewhere: str) -> None:
        world.ledger.retire_worker("w")
        world.later(RESTART_MS / 1000 + 1)
        start(world, "without", False)
        start(world, "other", True, **({"lane": "backfill"} if elsewhere == "lane" else {"role": "deliver"}))
        check = world.accept("cat", check_text="A cat", deliver=False)
        assert world.ledger.has_due("upload", "without")
        assert world.claimed(None, "without").job_id == check

    @pytest.mark.parametrize("killed", [True, False])
    def test_a_text_waits_while_the_worker_that_checks_it_starts_anew(self, world: World, killed: bool) -> None:
        world.ledger.retire_worker("w")
        world.later(RESTART_MS / 1000 + 1)
        start(world, "with", True)
        check = world.accept("cat", check_text="A cat", deliver=False)
        if not killed:
            world.ledger.retire_worker("with")
        world.later(RESTART_MS / 1000 - 1)
        start(world, "without", False)
        assert world.claim(check, "without") is None
        world.later(2)
        start(world, "without2", False)  # as a heartbeat: the first one is silent by now
        assert world.claimed(check, "without2").job_id == check

    def die(self, world: World, worker: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Only `w` goes on beating."""
        for _ in range(4):
            world.later(2)
            world.ledger.beat("w")
        [gone] = world.ledger.expire_workers()
        assert gone.worker_id == worker
        return gone.freed, gone.dead

    def test_a_silent_worker_is_dead_for_good_and_its_jobs_go_free(self, world: World) -> None:
        world.worker("mute")
        claim = world.claimed(world.accept("a"), worker="mute")
        assert world.ledger.beat("mute")
        assert self.die(world, "mute") == ((claim.job_id,), ())
        assert not world.ledger.beat("mute")
        assert world.claim(worker="mute") is None
        assert not world.ledger.complete(claim, description(), FIELDS)
        assert world.claimed().crashes == 1
        assert world.ledger.expire_workers() == []

    def test_a_beating_worker_keeps_its_jobs(self, world: World) -> None:
        world.claimed(world.accept("a"))
        for _ in range(5):
            world.later(5)
            assert world.ledger.beat("w")
            assert world.ledger.expire_workers() == []

    def test_the_images_in_each_process_hands_are_counted(self, world: World) -> None:
        world.ledger.register_worker("away", role="tag", lane="upload", host="elsewhere", pid=2)
        assert world.ledger.in_hands("here") == {}
        world.claimed(world.accept("a"))
        claim = world.claimed(world.accept("b"))
        world.claimed(world.accept("c"), worker="away")
        assert (world.ledger.in_hands("here"), world.ledger.in_hands("elsewhere")) == ({1: 2}, {2: 1})
        assert world.ledger.release(claim)
        assert world.ledger.in_hands("here") == {1: 1}
        world.ledger.retire_worker("w")
        assert world.ledger.in_hands("here") == {}

    def test_two_deaths_send_a_job_to_the_solo_lane_and_three_more_end_it(self, world: World) -> None:
        job_id = world.accept("a")
        for number, lane in enumerate(["upload", "upload", *["solo"] * (DEAD_AFTER_SOLO_CRASHES - 1)]):
            world.worker(f"victim{number}")
            world.claimed(job_id, worker=f"victim{number}", lane=lane)
            assert self.die(world, f"victim{number}") == ((job_id,), ())
        world.worker("last")
        world.claimed(job_id, worker="last", lane="solo")
        assert self.die(world, "last") == ((), (job_id,))
        [letter] = world.ledger.dead_letters().data
        assert (letter.id, letter.error["code"], letter.failures) == (job_id, "crashed_worker", 0)
        assert world.ledger.replay([job_id]) == 1
        assert world.claim() is None  # a replay must not endanger neighbours
        assert world.claimed(lane="solo").job_id == job_id

    def test_a_worker_that_only_waited_for_a_processor_takes_its_crashes_back(self, world: World) -> None:
        held, done, other = (world.accept(asset) for asset in ("held", "done", "other"))
        world.worker("slow")
        for job_id in (held, done):
            world.claimed(job_id, worker="slow")
        self.die(world, "slow")
        assert world.ledger.complete(world.claimed(done), description(), FIELDS)
        world.worker("mute")
        world.claimed(other, worker="mute")
        self.die(world, "mute")
        assert world.ledger.acquit("w", [held]) == 0, "it lives"
        assert world.ledger.acquit("slow", [held, done]) == 1, "one of them is described already"
        assert [world.ledger.job(job_id).crashes for job_id in (held, done, other)] == [0, 0, 1]
        assert world.claimed(held).crashes == 0, "in its own lane"

    def test_an_image_that_died_of_a_busy_machine_starts_again(self, world: World) -> None:
        job_id = world.accept("a")
        for number, lane in enumerate(["upload", "upload", *["solo"] * DEAD_AFTER_SOLO_CRASHES]):
            world.worker(f"slow{number}")
            world.claimed(job_id, worker=f"slow{number}", lane=lane)
            self.die(world, f"slow{number}")
        assert world.ledger.job(job_id).status == "dead"
        assert world.ledger.acquit(f"slow{number}", [job_id]) == 1
        job = world.ledger.job(job_id)
        assert (job.status, world.ledger.dead_letters().data) == ("accepted", [])
        assert job.crashes == len(["upload", "upload"]) + DEAD_AFTER_SOLO_CRASHES - 1, "its other crashes stay"

    def test_an_image_that_stops_each_process_is_not_acquitted_for_ever(self, world: World) -> None:
        job_id = world.accept("a")
        for number in range(40):
            if world.ledger.job(job_id).status == "dead":
                return
            world.worker(f"stopped{number}")
            if world.claim(worker=f"stopped{number}") is None:
                world.claimed(job_id, worker=f"stopped{number}", lane="solo")
            self.die(world, f"stopped{number}")
            world.ledger.acquit(f"stopped{number}", [job_id])
        raise AssertionError("it is tried for ever")

    def test_success_clears_crashes(self, world: World) -> None:
        job_id = world.accept("a")
        world.worker("mute")
        world.claimed(job_id, worker="mute")
        self.die(world, "mute")
        assert world.ledger.complete(world.claimed(), description(), FIELDS)
        assert world.ledger.job(job_id).crashes == 0

    def test_after_a_start_nobody_is_declared_dead_for_one_lease(self, world: World) -> None:
        world.worker("mute")
        world.later(60)
        with world.second_process() as other:
            assert other.expire_workers() == []
            world.later(6)
            assert {gone.worker_id for gone in other.expire_workers()} == {"mute", "w"}

    def test_a_job_past_its_own_deadline_is_charged_an_attempt(self, world: World) -> None:
        claim = world.claimed(world.accept("a"))
        assert world.ledger.expire_deadlines() == []
        world.later(121)
        assert world.ledger.expire_deadlines() == [claim.job_id]
        job = world.ledger.job(claim.job_id)
        assert job.error is not None
        assert (job.status, job.failures, job.crashes, job.error.code) == ("accepted", 1, 0, "deadline_exceeded")
        assert not world.ledger.complete(claim, description(), FIELDS)

    def test_a_clean_exit_gives_everything_back_uncharged(self, world: World) -> None:
        world.worker("leaving")
        job_id = world.accept("a")
        world.claimed(job_id, worker="leaving")
        world.described("b")
        [sending] = world.ledger.claim_deliveries(worker_id="leaving", limit=5)
        world.ledger.retire_worker("leaving")
        again = world.claimed()
        assert (again.job_id, again.failures, again.crashes) == (job_id, 0, 0)
        assert [claim.delivery_id for claim in world.deliverable()] == [sending.delivery_id]
        assert not world.ledger.beat("leaving")

    def test_failures_and_crashes_are_counted_apart(self, world: World) -> None:
        job_id = world.accept("a")
        world.ledger.fail(world.claimed(job_id), BROKEN, {})
        world.later(5)
        world.worker("mute")
        world.claimed(job_id, worker="mute")
        self.die(world, "mute")
        job = world.ledger.job(job_id)
        assert (job.failures, job.crashes) == (1, 1)

    def test_a_newer_writers_request_is_read_and_an_unreadable_one_does_not_stop_the_lane(self, world: World) -> None:
        newer, broken, good = world.accept("newer"), world.accept("broken"), world.accept("good")
        change = update(job_requests).where(job_requests.c.job_id == bindparam("job")).values(body=bindparam("new"))
        more = {**world.request("newer").to_dict(), "mood": "bright"}
        more["source"] = {**more["source"], "etag": "x"}
        with create_engine(
            world.ledger._url, poolclass=NullPool
        ).begin() as conn:  # as a process of another version would leave them
            conn.execute(change, {"job": newer, "new": more})
            conn.execute(change, {"job": broken, "new": {"site_id": "s"}})
        assert world.claimed(newer).request == world.request("newer")
        assert world.claimed(broken).job_id == good
        assert [letter.id for letter in world.ledger.dead_letters().data] == [broken]
        assert {job.id for job in world.ledger.jobs().data} == {newer, broken, good}
        assert world.claim() is None

    @pytest.mark.parametrize("word", ["complete", "fail", "crash", "release"])
    def test_who_lost_a_job_has_no_word_on_it_while_another_holds_it(self, world: World, word: str) -> None:
        """The claim's token is the fence: the job is running, but by another hand."""
        lost = world.claimed(world.accept("a"))
        world.later(7)
        world.worker("other")
        assert [gone.worker_id for gone in world.ledger.expire_workers()] == ["w"]
        held = world.claimed(worker="other")
        assert held.job_id == lost.job_id
        said: dict[str, Callable[[], object]] = {
            "complete": lambda: world.ledger.complete(lost, description("Of the dead"), FIELDS),
            "fail": lambda: world.ledger.fail(lost, BROKEN, {}),
            "crash": lambda: world.ledger.crash(lost),
            "release": lambda: world.ledger.release(lost),
        }
        assert not said[word]()
        job = world.ledger.job(held.job_id)
        assert (job.status, job.failures, job.crashes) == ("running", 0, 1)
        assert world.ledger.complete(held, description(), FIELDS)
