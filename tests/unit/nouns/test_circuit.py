"""The circuit compared with a model that stores every attempt and counts all of them each time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tagger import circuit as circuit_rules
from tagger.circuit import FIRST_PAUSE_MS, LEAST, LONGEST_PAUSE_MS, SLOT_MS, SLOTS, Circuit
from tagger.delivery import AttemptReport

SIGNS = st.sampled_from(["good", "bad", "away"])
START = 1_790_000_000_000


class CircuitModel(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.circuit, self.now = Circuit(), START
        self.tried: list[tuple[int, str]] = []  # (moment, sign) of every try since the circuit closed
        self.state, self.pause, self.probe_at = "closed", FIRST_PAUSE_MS, 0

    def recent(self) -> list[str]:
        first = (self.now // SLOT_MS - SLOTS + 1) * SLOT_MS
        return [sign for moment, sign in self.tried if moment >= first]

    @rule(seconds=st.floats(0, 90))
    def time_passes(self, seconds: float) -> None:
        self.now += round(seconds * 1000)

    @rule(sign=SIGNS, number=st.integers(1, 6))
    def deliveries_are_tried(self, sign: Any, number: int) -> None:
        """Ordinary ones; those that were under way when the circuit opened end later."""
        for _ in range(number):
            self.circuit = circuit_rules.tried(self.circuit, "dlv_any", sign, self.now)
            if self.state != "closed":
                if sign == "good":
                    self.close()
                continue
            self.tried.append((self.now, sign))
            missed = self.recent().count("away")
            if sign == "away" and missed >= LEAST and 2 * missed >= len(self.recent()):
                self.state, self.pause, self.probe_at = "open", FIRST_PAUSE_MS, self.now + FIRST_PAUSE_MS

    @precondition(lambda self: self.state == "open")
    @rule(sign=SIGNS | st.just("called back") | st.just("died"), asked=st.integers(0, 3_600_000))
    def one_probes(self, sign: Any, asked: int) -> None:
        self.now = max(self.now, self.probe_at)
        self.circuit = circuit_rules.probing(self.circuit, "dlv_probe")
        assert self.circuit.state == "half_open"
        if sign == "called back":
            self.circuit = circuit_rules.unproven(self.circuit)
            return
        if sign == "good":
            self.circuit = circuit_rules.tried(self.circuit, "dlv_probe", sign, self.now)
            self.close()
            return
        self.pause = min(2 * self.pause, LONGEST_PAUSE_MS)
        self.probe_at = self.now + self.pause
        if sign == "died":
            self.circuit = circuit_rules.reopened(self.circuit, self.now, asked)
            self.probe_at = self.now + max(self.pause, asked)
        else:
            self.circuit = circuit_rules.tried(self.circuit, "dlv_probe", sign, self.now)

    def close(self) -> None:
        self.state, self.pause, self.tried = "closed", FIRST_PAUSE_MS, []

    @invariant()
    def both_agree(self) -> None:
        assert self.circuit.state == self.state
        if self.state == "open":
            assert (self.circuit.pause_ms, self.circuit.probe_ms, self.circuit.probe_id) == (self.pause, self.probe_at, None)
        else:
            counted = circuit_rules.tried(self.circuit, "dlv_any", "good", self.now)  # drops what is too old
            assert circuit_rules.tries(counted) == len(self.recent()) + 1
            assert circuit_rules.away(counted) == self.recent().count("away")
            assert len(self.circuit.window) <= SLOTS


CircuitModel.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestCircuit = CircuitModel.TestCase


def after(*signs: Any, every_ms: int = 1_000) -> Circuit:
    circuit = Circuit()
    for number, sign in enumerate(signs):
        circuit = circuit_rules.tried(circuit, f"dlv_{number}", sign, START + number * every_ms)
    return circuit


def test_a_lucky_answer_now_and_then_does_not_keep_it_closed() -> None:
    assert after(*["away", "away", "good"] * 2, "away").state == "open"


def test_one_asset_that_breaks_its_receiver_does_not_open_it_for_the_others() -> None:
    assert after(*["good", "good", "away"] * 30, every_ms=100).state == "closed"
    assert after(*["bad"] * 100, every_ms=100).state == "closed"


def test_failures_that_are_far_between_do_not_open_it() -> None:
    assert after(*["away"] * 50, every_ms=20_000).state == "closed"


@given(st.lists(SIGNS, max_size=60))
def test_a_clock_that_was_set_back_leaves_nothing_behind(signs: list[Any]) -> None:
    circuit = after(*signs)
    if circuit.state == "closed":
        earlier = circuit_rules.tried(circuit, "dlv_any", "good", START - 3_600_000)
        assert circuit_rules.tries(earlier) == 1


@pytest.mark.parametrize(
    ("result", "status", "retry_after_ms", "sign"),
    [
        ("delivered", 200, None, "good"),
        ("gone", 404, None, "good"),
        ("disable", 410, None, "good"),
        ("reject", 413, None, "good"),
        ("park", None, None, "away"),
        ("retry", 502, None, "away"),
        ("retry", 504, None, "away"),
        ("retry", 522, None, "away"),
        ("retry", 503, None, "away"),
        ("retry", 503, 4_000, None),
        ("retry", 429, 1, None),
        ("retry", 429, None, "bad"),
        ("retry", 500, None, "bad"),
        ("retry", 401, None, "bad"),
        ("retry", None, None, "bad"),  # an answer that broke off: the message may have done its work
    ],
)
def test_what_an_answer_says_of_the_endpoint(result: Any, status: int | None, retry_after_ms: int | None, sign: str) -> None:
    report = AttemptReport(result=result, status=status, duration_ms=1, retry_after_ms=retry_after_ms)
    assert circuit_rules.sign_of(report) == sign
