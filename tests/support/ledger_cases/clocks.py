"""Q18: the ledger's clock is set an hour back or ahead, or one process has another clock than the rest. Work goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import bindparam, text

from support.ledger_cases.world import FIELDS, World, description
from tagger.circuit import LEAST
from tagger.errors import FetchFailed
from tagger.ledger import Ledger, open_ledger

HOUR = 3_600
LEASE = 6
BOTH_WAYS = pytest.mark.parametrize("hours", [-1, 1], ids=["back", "ahead"])


@contextmanager
def with_clock_off_by(world: World, seconds: int) -> Iterator[Ledger]:
    """A process whose clock is not that of the others."""
    other = open_ledger(world.url, clock=lambda: world.now + seconds * 1000)
    try:
        other._write(lambda tx: None)
        yield other
    finally:
        other.close()


class ClockCases:
    def beating(self, world: World, seconds: int, *ledgers: Ledger) -> list[str]:
        """So much time passes, in which `w` beats as it should; the workers that were held for dead."""
        gone: list[str] = []
        for _ in range(seconds):
            world.later(1)
            assert world.ledger.beat("w"), "a worker that lives was held for dead"
            for ledger in (world.ledger, *ledgers):
                gone += [expired.worker_id for expired in ledger.expire_workers()]
                assert ledger.expire_deadlines() == [], "nothing is charged for a clock"
        return gone

    @BOTH_WAYS
    def test_what_was_accepted_or_waits_to_be_written_goes_on(self, world: World, hours: int) -> None:
        described, fresh = world.described("a"), world.accept("b")
        world.later(hours * HOUR)
        assert world.claimed().job_id == fresh
        [claim] = world.deliverable()
        assert (claim.job_id, world.finish(claim, "delivered"), world.status(described)) == (described, "delivered", "done")

    @BOTH_WAYS
    def test_retries_of_jobs_and_of_deliveries_are_due_within_a_lease(self, world: World, hours: int) -> None:
        world.ledger.fail(world.claimed(world.accept("a")), FetchFailed("No answer.").info(), {})
        described = world.described("b")
        assert world.finish(world.deliverable()[0], "retry") == "pending"
        assert (world.claim(), world.deliverable()) == (None, [])
        world.later(hours * HOUR)
        self.beating(world, LEASE)
        assert world.claimed().failures == 1
        assert [claim.job_id for claim in world.deliverable()] == [described]

    @BOTH_WAYS
    def test_the_jobs_of_a_killed_worker_go_free_and_those_of_the_living_stay(self, world: World, hours: int) -> None:
        world.worker("killed")
        kept, lost = world.claimed(world.accept("a")), world.claimed(world.accept("b"), worker="killed")
        world.later(1)
        world.ledger.beat("w")
        world.later(hours * HOUR)
        assert world.ledger.beat("w")
        assert self.beating(world, 2 * LEASE + 2) == ["killed"]
        assert world.claimed().job_id == lost.job_id
        assert world.ledger.complete(kept, description(), FIELDS)
        assert world.ledger.job(kept.job_id).failures == 0

    @BOTH_WAYS
    def test_a_deadline_begins_anew_and_is_still_a_deadline(self, world: World, hours: int) -> None:
        claim = world.claimed(world.accept("a"))
        world.later(hours * HOUR)
        self.beating(world, LEASE)
        world.later(121)
        world.ledger.beat("w")
        assert world.ledger.expire_deadlines() == [claim.job_id]

    @BOTH_WAYS
    def test_an_open_circuit_probes_and_a_busy_endpoint_is_asked_again(self, world: World, hours: int) -> None:
        world.site("busy")
        for number in range(LEAST):
            world.described(f"away{number}")
        for claim in world.deliverable():
            world.finish(claim, "park")
        patient = world.described("b", site="busy")
        asked = next(claim for claim in world.deliverable() if claim.job_id == patient)
        world.finish(asked, "retry", retry_after_ms=60_000)
        other = world.described("c", site="busy")
        world.later(hours * HOUR)
        self.beating(world, LEASE)
        assert {claim.site_id for claim in world.deliverable()} == {"s", "busy"}
        assert world.delivery_status(other) == "sending"

    def test_the_operator_is_told_and_an_abandoned_request_can_be_made_again(self, world: World) -> None:
        for number in range(LEAST):
            world.described(f"away{number}")
        for claim in world.deliverable():
            world.finish(claim, "park")
        assert world.ledger.begin_idempotent("s", "key", "ab") is None
        world.later(-HOUR)
        world.ledger.beat("w")
        assert [event.type for event in world.ledger.claim_events(limit=5, lease_ms=60_000)] == ["endpoint.failing"]
        assert world.ledger.begin_idempotent("s", "key", "ab") is None

    @BOTH_WAYS
    def test_one_process_with_another_clock_neither_kills_the_others_nor_is_killed(self, world: World, hours: int) -> None:
        """On SQLite each process has its own; the server of PostgreSQL has one for all."""
        with with_clock_off_by(world, hours * HOUR) as other:
            other.register_worker("odd", role="tag", lane="upload", host="here", pid=2)
            world.worker("killed")
            jobs = [world.claimed(world.accept("a")), world.claimed(world.accept("b"), worker="killed")]
            gone = []
            for _ in range(2 * LEASE + 2):
                assert other.beat("odd")
                gone += self.beating(world, 1, other)
            assert gone == ["killed"]
            [accepted] = other.accept([world.request("c")])
            assert {world.claimed().job_id, world.claimed().job_id} == {accepted.job_id, jobs[1].job_id}
            described = other.claim(lane="upload", worker_id="odd", lease_ms=120_000, job_id=world.accept("d"))
            assert described is not None
            assert other.complete(described, description(), FIELDS)
            self.beating(world, 1, other)
            assert [claim.job_id for claim in world.deliverable()] == [described.job_id]

    def test_a_moment_that_was_written_in_the_past_is_believed(self, world: World) -> None:
        """An operator's word, or a wait that is longer than any of ours: nobody set a clock."""
        job = world.accept("a")
        later = text("UPDATE jobs SET due_ms = :due WHERE id = :job").bindparams(bindparam("due"))
        world.ledger._write(lambda tx: tx.conn.execute(later, {"due": world.now + 72 * HOUR * 1000, "job": job}) and None)
        world.ledger.expire_workers()
        assert world.claim() is None
