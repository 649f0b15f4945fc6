"""A paused backfill: what nobody has claimed waits, whatever claims, frees, supersedes or ends it meanwhile."""

from __future__ import annotations

from support.ledger_cases.world import BROKEN, FIELDS, World, description
from tagger.backfill import Backfill
from tagger.ledger import Ledger


def started(world: World, *assets: str, name: str = "bkf_1") -> list[str]:
    world.ledger.start_backfill(Backfill(id=name, site_id="s", kind="folder", spec={}, started_ms=world.now))
    requests = [world.request(asset, lane="backfill", backfill_id=name) for asset in assets]
    return [accepted.job_id for accepted in world.ledger.feed_backfill(name, requests, None, False, after=None)]


def counts(ledger: Ledger, name: str = "bkf_1") -> dict[str, int]:
    return {word: n for word, n in ledger.backfill(name).counts.items() if n}


class PauseCases:
    def test_no_job_of_a_paused_backfill_begins(self, world: World) -> None:
        jobs = started(world, "a", "b", "c")
        running = world.claimed(lane="backfill")
        world.ledger.set_backfill_status("bkf_1", "paused")
        assert world.claim(lane="backfill") is None
        assert world.claim(jobs[2], lane="backfill") is None, "nor when a hint names it"
        lanes = world.ledger.lane_counts()["backfill"]
        assert (lanes.claimable, lanes.waiting, lanes.running) == (0, 0, 1), "no hint is sent for what may not be claimed"
        assert world.ledger.complete(running, description(), FIELDS), "what was under way ends"
        assert counts(world.ledger) == {
            "seen": 3, "fed": 3, "accepted": 2, "set_aside": 2, "described": 1, "publish": 1,
        }  # fmt: skip
        assert [world.ledger.job(job).lane for job in jobs] == ["backfill"] * 3
        assert dict(world.ledger.stats().jobs)["accepted"] == 2

    def test_a_resumed_backfill_goes_on_in_its_order(self, world: World) -> None:
        jobs = started(world, "a", "b")
        world.ledger.set_backfill_status("bkf_1", "paused")
        world.ledger.set_backfill_status("bkf_1", "running")
        assert world.ledger.lane_counts()["backfill"].claimable == 2
        assert [world.claimed(lane="backfill").job_id for _ in jobs] == sorted(jobs), "of one moment, by id"
        assert counts(world.ledger) == {"seen": 2, "fed": 2, "running": 2}

    def test_other_work_of_the_lane_goes_on(self, world: World) -> None:
        started(world, "a", "b")
        [other] = started(world, "z", name="bkf_2")
        world.ledger.set_backfill_status("bkf_1", "paused")
        assert world.claimed(lane="backfill").job_id == other

    def test_what_comes_back_while_it_is_paused_waits_too(self, world: World) -> None:
        started(world, "a", "b", "c")
        released, failed = world.claimed(lane="backfill"), world.claimed(lane="backfill")
        world.ledger.set_backfill_status("bkf_1", "paused")
        world.ledger.release(released)
        world.ledger.fail(failed, BROKEN, {})
        world.later(60)
        assert world.claim(lane="backfill") is None
        assert counts(world.ledger)["set_aside"] == 3
        world.ledger.set_backfill_status("bkf_1", "running")
        assert len({world.claimed(lane="backfill").job_id for _ in range(3)}) == 3

    def test_a_job_that_crashed_twice_is_alone_again_after_the_pause(self, world: World) -> None:
        [job] = started(world, "a")
        for _ in range(2):
            world.ledger.crash(world.claimed(lane="backfill"))
        world.ledger.set_backfill_status("bkf_1", "paused")
        assert world.claim(lane="solo") is None
        world.ledger.set_backfill_status("bkf_1", "running")
        assert world.claimed(lane="solo").job_id == job

    def test_it_can_be_cancelled_superseded_and_erased_while_it_waits(self, world: World) -> None:
        jobs = started(world, "a", "b", "c", "d")
        world.ledger.set_backfill_status("bkf_1", "paused")
        newer = world.accept("a", "2")
        assert world.status(jobs[0]) == "superseded"
        assert world.claimed(newer).job_id == newer, "an upload does not wait for a campaign"
        assert world.ledger.cancel(jobs[1]) == "cancelled"
        assert world.ledger.erase_asset("s", "c").jobs == 1
        assert counts(world.ledger) == {
            "seen": 4, "fed": 4, "accepted": 1, "set_aside": 1, "superseded": 1, "cancelled": 2,
        }  # fmt: skip
        world.ledger.set_backfill_status("bkf_1", "cancelled")
        assert counts(world.ledger) == {"seen": 4, "fed": 4, "superseded": 1, "cancelled": 3}
        assert {status: n for status, n in world.ledger.stats().jobs.items() if n} == {
            "superseded": 1, "cancelled": 2, "running": 1,
        }  # fmt: skip

    def test_a_resume_that_was_killed_half_way_is_finished_by_the_next_look(self, world: World) -> None:
        started(world, "a")
        world.ledger.set_backfill_status("bkf_1", "paused")
        with world.second_process() as other:
            other.settle_backfill = lambda _id: None  # type: ignore[method-assign]
            other.set_backfill_status("bkf_1", "running")
        assert world.claim(lane="backfill") is None
        world.ledger.settle_backfill("bkf_1")
        world.claimed(lane="backfill")

    def test_a_resumed_site_counts_what_goes(self, world: World) -> None:
        for asset in ("a", "b", "c"):
            world.described(asset)
        world.ledger.pause_writes("s", True)
        assert world.deliverable() == []
        assert world.ledger.resume_site("s") == 3
        assert len(world.deliverable()) == 3
        assert world.ledger.resume_site("s") == 0
