"""One hint, one job."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from tagger.asset import ImageSource
from tagger.errors import LedgerUnavailable
from tagger.job import Claim, JobRequest, Lane
from workers.pipeline.claim import Claimer, ClaimHooks, ClaimTerms
from workers.pipeline.deps import Settlement

CLAIM = Claim(
    job_id="job_2", token="t", lane="upload", failures=0, crashes=0, deadline_ms=2, created_ms=0, claimed_ms=1,
    request=JobRequest(site_id="s", asset_id="a", source=ImageSource(kind="url", location="https://x.test/a.png")),
)  # fmt: skip

TERMS = ClaimTerms(lane="upload", worker_id="w", lease_ms=1000)


class Counter:
    def __init__(self, *answers: Claim | Exception | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Lane, str | None]] = []
        self.described: list[Claim] = []
        self.stopping = threading.Event()
        self.now = 0.0
        self.ready = True

    def claim(self, *, lane: Lane, worker_id: str, lease_ms: int, job_id: str | None) -> Claim | None:
        self.asked.append((lane, job_id))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def describe(self, claim: Claim) -> Settlement:
        self.described.append(claim)
        return "described"

    def tick(self) -> float:
        self.now += 3.0
        return self.now

    def hint(self, job_id: str) -> None:
        claimer = Claimer(
            self, self.describe, TERMS, ClaimHooks(ready=lambda: self.ready), stopping=self.stopping, monotonic=self.tick
        )
        claimer(job_id)


def test_a_hint_names_its_job_but_any_due_one_is_taken() -> None:
    counter = Counter(CLAIM)
    counter.hint("job_1")
    assert counter.asked == [("upload", "job_1")]
    assert counter.described == [CLAIM]


def test_what_is_around_an_image_is_entered_before_its_claim() -> None:
    counter = Counter(CLAIM)
    asked_before: list[int] = []

    @contextmanager
    def around() -> Iterator[None]:
        asked_before.append(len(counter.asked))
        yield
        assert counter.described == [CLAIM]

    claimer = Claimer(counter, counter.describe, TERMS, ClaimHooks(ready=lambda: True, around=around), stopping=counter.stopping)
    claimer("job_1")
    assert asked_before == [0]


def test_a_hint_too_many_costs_one_question() -> None:
    counter = Counter(None)
    counter.hint("job_1")
    assert len(counter.asked) == 1
    assert counter.described == []


def test_a_ledger_that_comes_back_in_time_is_waited_for() -> None:
    counter = Counter(LedgerUnavailable("away"), CLAIM)
    counter.hint("job_1")
    assert counter.described == [CLAIM]


def test_a_ledger_that_stays_away_costs_the_hint_only() -> None:
    counter = Counter(LedgerUnavailable("away"))
    counter.hint("job_1")
    assert counter.described == []


def test_nothing_is_claimed_for_models_that_do_not_work_or_in_an_ending_process() -> None:
    counter = Counter(CLAIM)
    counter.ready = False
    counter.hint("job_1")
    counter.ready = True
    counter.stopping.set()
    counter.hint("job_1")
    assert counter.asked == []


def test_without_hints_what_is_due_is_taken_unless_every_place_is() -> None:
    counter = Counter(CLAIM, CLAIM, None)
    tries: list[bool] = []
    claimer = Claimer(
        counter,
        lambda claim: tries.append(claimer.claim_due()) or counter.describe(claim),
        TERMS,
        ClaimHooks(ready=lambda: True),
        stopping=counter.stopping,
        monotonic=lambda: counter.now,
    )
    assert not claimer.no_hints_for(4)
    counter.now = 5.0
    assert claimer.no_hints_for(4)
    assert claimer.claim_due()
    assert tries == [False], "one place, and it is taken"
    claimer("job_1")
    assert not claimer.no_hints_for(4), "hints come again"
    assert not claimer.claim_due()
    assert counter.asked == [("upload", None), ("upload", "job_1"), ("upload", None)]


def test_every_log_line_of_an_image_has_its_ids() -> None:
    counter, ids = Counter(CLAIM), []
    counter.describe = lambda _claim: ids.append(structlog.contextvars.get_contextvars()) or "described"  # type: ignore[assignment, method-assign]
    counter.hint("job_1")
    assert ids == [{"lane": "upload", "worker": "w", "job": "job_2", "site": "s", "asset": "a"}]
    assert "job" not in structlog.contextvars.get_contextvars()
