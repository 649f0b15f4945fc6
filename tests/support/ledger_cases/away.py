"""W4 on a simulated clock: an endpoint away for three days. And what an operator may do meanwhile: pause, replay, rotate."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from support.ledger_cases.world import AWAY, World, said
from tagger.circuit import LEAST, LONGEST_PAUSE_MS
from tagger.delivery import DAY, HOUR, DeliveryClaim
from tagger.errors import Conflict, NotFound

MINUTE_SECONDS = 60


def parked(world: World, site: str = "s", number: int = LEAST, result: str = "park") -> list[str]:
    """Jobs whose deliveries wait, parked, for the endpoint of `site`."""
    jobs = [world.described(f"{site}{n}", site=site) for n in range(number)]
    for claim in world.deliverable():
        world.finish(claim, result)
    assert {world.delivery_status(job) for job in jobs} == {"parked"}
    return jobs


def events(world: World) -> Counter[str]:
    told = world.ledger.claim_events(limit=1000, lease_ms=HOUR)
    for event in told:
        world.ledger.finish_event(event.id)
    return Counter(event.type for event in told)


class AwayCases:
    def test_w4_three_days_away_with_uploads_going_on_lose_nothing_and_spend_nothing(self, world: World) -> None:
        """Uploads come each half hour, some of an asset that waits already; each night a deliverer dies while it probes."""
        jobs = parked(world)
        newest, tries, died = {world.ledger.job(job).asset_id: job for job in jobs}, 0, 0
        for half_hour in range(3 * 24 * 2):
            asset = f"a{half_hour % 40}"
            newest[asset] = world.described(asset, str(half_hour))
            jobs.append(newest[asset])
            for _ in range(2):
                probes = world.deliverable() if half_hour % 48 else self.claimed_by_one_that_dies(world)
                tries += len(probes)
                died += not half_hour % 48 and bool(probes)
                for probe in probes if half_hour % 48 else ():
                    world.finish(probe, "park")
                world.later(15 * MINUTE_SECONDS)
        assert died >= 3
        assert tries < 3 * DAY / LONGEST_PAUSE_MS + 30, "no more than one probe per pause, after the first few"
        assert {world.delivery_status(job) for job in newest.values()} == {"parked"}
        assert events(world) == {"endpoint.failing": 1}, "one outage is told once"

        back, wrote = world.now, Counter[str]()
        while {world.status(job) for job in newest.values()} != {"done"}:
            assert world.now < back + LONGEST_PAUSE_MS + MINUTE_SECONDS * 1000, "it drains with the next probe"
            for claim in world.deliverable(limit=1000):
                assert (claim.job_id, claim.failures) == (newest[claim.asset_id], 0)
                assert world.ledger.confirm_delivery(claim)
                assert world.finish(claim, "delivered", said("written", "sha256:1")) == "delivered"
                wrote[claim.asset_id] += 1
            world.later(MINUTE_SECONDS)
        assert wrote == dict.fromkeys(newest, 1), "every asset is written once, with its newest words"
        assert {world.status(job) for job in jobs} == {"done", "superseded"}
        assert world.ledger.dead_letters().data == []
        assert events(world) == {}

    def claimed_by_one_that_dies(self, world: World) -> list[DeliveryClaim]:
        name = f"dies{world.now}"
        world.worker(name)
        claims = world.ledger.claim_deliveries(worker_id=name, limit=50)
        world.ledger.retire_worker(name)
        return claims

    def test_a_choice_of_parked_ones_is_replayed_and_the_others_wait_on(self, world: World) -> None:
        for site in ("b", "c"):
            world.site(site)
        ours, theirs = parked(world), parked(world, "b", result="disable", number=2)
        world.later(2)
        late = parked(world, "c")
        assert world.ledger.replay_parked(site_id="s", code="no_such_code") == {}
        assert world.ledger.replay_parked(since_ms=world.now - 1) == {"c": len(late)}
        delivery = world.ledger.job(theirs[0]).delivery_id
        assert delivery is not None
        assert world.ledger.replay_parked([delivery]) == {"b": 2}
        endpoint = world.ledger.endpoint_of("b")
        assert endpoint is not None
        assert endpoint.enabled
        assert {claim.job_id for claim in world.deliverable() if claim.site_id != "s"} == {*theirs, *late}
        assert world.ledger.replay_parked(code=AWAY["code"]).keys() == {"s"}
        assert {claim.job_id for claim in world.deliverable()} <= set(ours)
        assert world.ledger.replay_parked() == {}

    def test_pausing_stops_what_is_claimed_and_what_is_parked_and_resuming_loses_nothing(self, world: World) -> None:
        jobs = parked(world)
        world.site("calm")
        calm = world.described("x", site="calm")
        fresh = world.described("y", site="calm")
        [claimed] = world.deliverable(limit=1)
        world.ledger.pause_writes("s", True)
        world.ledger.pause_writes("calm", True)
        assert not world.ledger.confirm_delivery(claimed), "already claimed, not yet sent"
        world.later(DAY / 1000)
        assert world.deliverable() == [], "not even a probe"
        assert world.ledger.replay_parked(site_id="s") == {"s": len(jobs)}
        assert world.deliverable() == [], "a replay does not write to a paused site either"
        world.ledger.pause_writes("s", False)
        world.ledger.pause_writes("calm", False)
        assert {claim.job_id for claim in world.deliverable()} == {*jobs, calm, fresh}

    @pytest.mark.parametrize("which", ["hook", "callback"])
    def test_two_secrets_are_valid_until_the_rotation_ends(self, world: World, which: str) -> None:
        world.ledger.put_site(replace(world.ledger.get_site("s"), hook_secrets=("whsec_a",)))

        def secrets() -> tuple[str, ...]:
            endpoint = world.ledger.endpoint_of("s")
            assert endpoint is not None
            return world.ledger.get_site("s").hook_secrets if which == "hook" else endpoint.secrets

        rotate = world.ledger.rotate_secret
        assert rotate("s", which, "whsec_b") == 2  # type: ignore[arg-type]
        assert secrets() == ("whsec_b", "whsec_a")
        with pytest.raises(Conflict):
            rotate("s", which, "whsec_c")  # type: ignore[arg-type]
        assert rotate("s", which, None) == 1  # type: ignore[arg-type]
        assert secrets() == ("whsec_b",)
        with pytest.raises(NotFound):
            rotate("nobody", which, "whsec_c")  # type: ignore[arg-type]

    def test_rotating_leaves_the_circuit_and_a_pause_as_they_are(self, world: World) -> None:
        jobs = parked(world)
        world.ledger.pause_writes("s", True)
        world.ledger.rotate_secret("s", "hook", "whsec_h")
        world.ledger.rotate_secret("s", "callback", "whsec_b")
        assert world.ledger.get_site("s").writes_paused
        assert world.deliverable() == []
        world.ledger.pause_writes("s", False)
        assert {world.delivery_status(job) for job in jobs} == {"parked"}
        world.later(6)
        [probe] = world.deliverable()
        assert probe.endpoint.secrets == ("whsec_b", "whsec_a")
