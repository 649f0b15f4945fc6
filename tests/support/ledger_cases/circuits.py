"""Circuits of endpoints that are away, and endpoints that were disabled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.ledger_cases.world import World
from tagger.circuit import FIRST_PAUSE_MS, LEAST
from tagger.delivery import DAY


def away(world: World, number: int = LEAST) -> list[str]:
    """So many deliveries found the endpoint unreachable; their jobs' ids."""
    jobs = [world.described(f"away{n}") for n in range(number)]
    for claim in world.deliverable():
        world.finish(claim, "park")
    return jobs


class CircuitCases:
    def test_an_endpoint_that_is_away_parks_its_deliveries_unspent(self, world: World) -> None:
        jobs = [*away(world), world.described("later")]
        assert {world.delivery_status(job) for job in jobs} == {"parked"}
        assert world.deliverable() == []
        assert world.ledger.stats().deliveries["parked"] == len(jobs)
        assert world.ledger.endpoints_up() == {"s": False}

    def test_one_delivery_probes_after_a_growing_pause_and_success_frees_all(self, world: World) -> None:
        jobs = away(world)
        pause = FIRST_PAUSE_MS
        for _ in range(3):
            world.later(pause / 1000 - 1)
            assert world.deliverable() == []
            world.later(2)
            [probe] = world.deliverable()
            assert probe.failures == 0
            assert world.deliverable() == []
            assert world.finish(probe, "park") == "parked"
            pause *= 2
        world.later(pause / 1000)
        [probe] = world.deliverable()
        assert world.ledger.confirm_delivery(probe)
        assert world.finish(probe, "delivered") == "delivered"
        rest = world.deliverable()
        assert {claim.job_id for claim in rest} == set(jobs) - {probe.job_id}
        assert {claim.failures for claim in rest} == {0}
        assert world.ledger.endpoints_up() == {"s": True}

    def test_a_probe_whose_process_died_makes_way_for_another(self, world: World) -> None:
        away(world)
        world.later(6)
        [probe] = world.deliverable()
        world.ledger.retire_worker("w")
        world.worker("other")
        assert world.ledger.claim_deliveries(worker_id="other", limit=5) == []
        world.later(60)
        [second] = world.ledger.claim_deliveries(worker_id="other", limit=5)
        assert second.delivery_id != probe.delivery_id

    def test_an_asset_that_is_being_sent_to_does_not_hold_up_the_probe_nor_other_sites(self, world: World) -> None:
        world.described("slow", "1")
        [slow] = world.deliverable()
        away(world)
        world.described("slow", "2")  # parked behind the one that is being sent, and the least tried of all
        world.site("calm")
        calm = world.described("b", site="calm")
        world.later(6)
        claims = world.deliverable()
        assert calm in {claim.job_id for claim in claims}
        [probe] = [claim for claim in claims if claim.site_id == "s"]
        assert probe.asset_id != slow.asset_id

    def test_a_circuit_stays_open_while_all_that_waits_is_behind_a_write_under_way(self, world: World) -> None:
        world.described("slow", "1")
        [slow] = world.deliverable()
        jobs = away(world)
        for job in jobs:
            world.ledger.cancel(job)
        world.described("slow", "2")
        world.later(6)
        assert world.deliverable() == []
        assert world.finish(slow, "park") == "superseded"
        [probe] = world.deliverable()
        assert (probe.asset_id, probe.sequence) == ("slow", 2)

    def test_a_probe_that_is_answered_badly_spends_nothing(self, world: World) -> None:
        away(world)
        world.later(6)
        [probe] = world.deliverable()
        assert world.finish(probe, "retry") == "parked"
        assert world.ledger.delivery(probe.delivery_id).status == "parked"
        world.later(60)
        [second] = world.deliverable()
        assert (second.delivery_id != probe.delivery_id, second.failures) == (True, 0)

    def test_a_probe_that_is_called_back_leaves_the_circuit_ready_to_probe(self, world: World) -> None:
        away(world)
        world.later(6)
        [probe] = world.deliverable()
        world.described(probe.asset_id, "2")
        assert not world.ledger.confirm_delivery(probe)
        assert len(world.deliverable()) == 1

    def test_a_claim_from_before_the_circuit_opened_is_not_sent(self, world: World) -> None:
        for number in range(LEAST + 1):
            world.described(f"a{number}")
        *first, last = world.deliverable()
        for claim in first:
            assert world.ledger.confirm_delivery(claim)
            world.finish(claim, "park")
        assert not world.ledger.confirm_delivery(last)
        assert world.delivery_status(last.job_id) == "parked"

    def test_one_answer_between_failures_keeps_the_circuit_closed(self, world: World) -> None:
        for number in range(2 * LEAST):
            world.described(f"a{number}")
            [claim] = world.deliverable(limit=1)
            assert world.finish(claim, "delivered" if number % 2 else "park") in ("delivered", "pending")
            world.later(20)

    @pytest.mark.parametrize("mend", [lambda w: w.ledger.enable_endpoint("end_s", True), lambda w: w.ledger.unpark("end_s")])
    def test_410_disables_the_endpoint_until_somebody_mends_it(self, world: World, mend: Callable[[World], object]) -> None:
        first = world.described("a")
        waiting = world.described("b")
        [claim] = world.deliverable(limit=1)
        assert world.finish(claim, "disable") == "parked"
        later = world.described("c")
        endpoint = world.ledger.endpoint_of("s")
        assert endpoint is not None
        assert not endpoint.enabled
        world.later(3600)
        assert world.deliverable() == []
        assert {world.delivery_status(job) for job in (first, waiting, later)} == {"parked"}
        mend(world)
        assert {c.job_id for c in world.deliverable()} == {first, waiting, later}

    def test_one_word_of_an_operator_drains_what_was_parked(self, world: World) -> None:
        jobs = away(world)
        assert world.ledger.unpark("end_s") == len(jobs)
        assert len(world.deliverable()) == len(jobs)

    def test_parked_for_thirty_days_is_a_dead_letter(self, world: World) -> None:
        jobs = away(world)
        world.later(29 * DAY / 1000)
        assert world.ledger.expire_parked() == []
        world.later(2 * DAY / 1000)
        assert len(world.ledger.expire_parked()) == len(jobs)
        letters = world.ledger.dead_letters().data
        assert {letter.job_id for letter in letters} == set(jobs)
        world.ledger.enable_endpoint("end_s", False)
        assert world.ledger.replay([letters[0].id]) == 1
        assert world.delivery_status(letters[0].job_id) == "parked"
        world.later(29 * DAY / 1000)
        assert world.ledger.expire_parked() == [], "thirty days more, from the replay on"
        world.later(2 * DAY / 1000)
        assert world.ledger.expire_parked() == [letters[0].id]

    def test_a_new_address_for_the_endpoint_starts_afresh(self, world: World) -> None:
        jobs = away(world)
        world.site("s")
        assert {claim.job_id for claim in world.deliverable()} == set(jobs)
