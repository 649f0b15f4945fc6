"""An endpoint that answers and confirms nothing: it is told of, and what it took can be sent again."""

from __future__ import annotations

import pytest

from support.ledger_cases.world import World, said
from tagger.confirmation import ROW
from tagger.delivery import AttemptReport, DeliveryClaim, FieldOutcome
from tagger.errors import AnswerInvalid

NOT_FOUND = AttemptReport(result="gone", status=404, duration_ms=5, outcomes=(said("gone"),))
PAGE = AttemptReport(result="delivered", status=200, duration_ms=5, error=AnswerInvalid("The answer is a page.").info().to_dict())
MUTE = AttemptReport(
    result="delivered", status=200, duration_ms=5, error=AnswerInvalid("It names no outcome.").info().to_dict(),
    outcomes=(FieldOutcome(field="alt_text", locale="en", outcome="unverified", reason="not_answered"),),
)  # fmt: skip
NOTICED = AttemptReport(
    result="delivered", status=200, duration_ms=5, error=AnswerInvalid("A notice of PHP.").info().to_dict(),
    outcomes=(said("written", "sha256:ab"),),
)  # fmt: skip
WRITTEN = AttemptReport(result="delivered", status=200, duration_ms=5, outcomes=(said("written", "sha256:ab"),))
EMPTY = AttemptReport(result="delivered", status=204, duration_ms=5)
AWAY = AttemptReport(result="park", status=None, duration_ms=5)


def answered(world: World, name: str, *reports: AttemptReport) -> list[str]:
    """One asset for each answer, one after the other; their jobs' ids."""
    jobs = [world.described(f"{name}{number}") for number in range(len(reports))]
    for job, report in zip(jobs, reports, strict=True):
        [claim] = [claim for claim in world.deliverable(1) if claim.job_id == job]
        assert world.ledger.finish_delivery(claim, report, world.rng) is not None
    return jobs


def told(world: World) -> list[str]:
    events = world.ledger.claim_events(limit=100, lease_ms=1)
    for event in events:
        world.ledger.finish_event(event.id)
    return [event.type for event in events]


def sent(world: World) -> list[DeliveryClaim]:
    return sorted(world.deliverable(), key=lambda claim: claim.asset_id)


class UnconfirmedCases:
    @pytest.mark.parametrize("report", [NOT_FOUND, PAGE, MUTE], ids=["404", "a page", "no field is answered"])
    def test_a_row_of_answers_that_confirm_nothing_is_told_and_nothing_is_erased(
        self, world: World, report: AttemptReport
    ) -> None:
        jobs = answered(world, "a", *[report] * (ROW - 1))
        assert (told(world), world.ledger.unconfirmed_endpoints()) == ([], {})
        since = world.now
        world.later(60)
        jobs += answered(world, "b", report)
        assert (told(world), world.ledger.unconfirmed_endpoints()) == (["endpoint.unconfirmed"], {"s": (ROW, since)})
        answered(world, "c", report)
        assert told(world) == [], "it is told of again when the row is ten times as long"
        assert {world.status(job) for job in jobs} == {"done"}
        assert all(world.ledger.job(job).description for job in jobs)

    @pytest.mark.parametrize("good", [WRITTEN, NOTICED, EMPTY], ids=["written", "with a notice", "no body"])
    def test_one_answer_that_confirms_ends_the_row(self, world: World, good: AttemptReport) -> None:
        """Five deleted assets among many are no wrong path."""
        for number in range(3):
            answered(world, f"x{number}", *[NOT_FOUND] * (ROW - 1), good)
        assert (told(world), world.ledger.unconfirmed_endpoints()) == ([], {})

    def test_an_outage_neither_ends_the_row_nor_lengthens_it(self, world: World) -> None:
        answered(world, "a", *[NOT_FOUND] * (ROW - 1), AWAY)
        assert told(world) == []
        world.later(60)
        [claim] = world.deliverable()
        world.ledger.finish_delivery(claim, NOT_FOUND, world.rng)
        assert told(world) == ["endpoint.unconfirmed"]

    def test_another_endpoint_begins_a_row_of_its_own(self, world: World) -> None:
        answered(world, "a", *[NOT_FOUND] * ROW)
        world.ledger.change_endpoint("s", url="https://s.example/right")
        assert world.ledger.unconfirmed_endpoints() == {}

    def test_what_was_not_confirmed_is_sent_again_under_its_id(self, world: World) -> None:
        old = answered(world, "old", NOT_FOUND)
        world.later(3600)
        since = world.now
        jobs = answered(world, "a", NOT_FOUND, PAGE, MUTE, WRITTEN, NOTICED, EMPTY)
        before = {job: world.ledger.job(job).delivery_id for job in jobs}
        world.later(60)
        assert world.ledger.replay_unconfirmed("s", since_ms=since) == 3
        claims = sent(world)
        assert [(claim.job_id, claim.delivery_id, claim.failures) for claim in claims] == [
            (job, before[job], 0) for job in jobs[:3]
        ]
        for claim in claims:
            assert world.ledger.confirm_delivery(claim)
            world.ledger.finish_delivery(claim, WRITTEN, world.rng)
        assert world.ledger.replay_unconfirmed("s", since_ms=since) == 0, "they are confirmed now"
        assert world.ledger.replay_unconfirmed("s") == 1
        assert [claim.job_id for claim in sent(world)] == old
        assert world.ledger.stats().deliveries["delivered"] == 6

    def test_what_is_overtaken_is_not_sent_again_and_what_cannot_go_is_parked(self, world: World) -> None:
        answered(world, "a", *[NOT_FOUND] * 2)
        world.described("a0", "2")
        [newer] = world.deliverable()
        world.ledger.finish_delivery(newer, WRITTEN, world.rng)
        world.ledger.enable_endpoint("end_s", False)
        assert world.ledger.replay_unconfirmed("s") == 1
        assert world.ledger.stats().deliveries["parked"] == 1
        world.ledger.enable_endpoint("end_s", True)
        assert [claim.asset_id for claim in sent(world)] == ["a1"]
