"""When the beat stops, and when the process ends."""

from __future__ import annotations

import threading

from tagger.errors import LedgerUnavailable
from workers.pipeline.celery_consumer import STALL_SECONDS, Pulse
from workers.runtime.heartbeat import EXIT_DECLARED_DEAD, EXIT_UNWELL, Heart


class Patient:
    def __init__(self) -> None:
        self.beats = 0
        self.answer: bool | Exception = True
        self.wrong: str | None = None
        self.ended: list[int] = []
        self.heart = Heart(self.beat, [lambda: self.wrong], die=self.ended.append, period=0.01, patience=0.0)

    def beat(self) -> bool:
        self.beats += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_well_process_beats() -> None:
    patient = Patient()
    assert patient.heart.once()
    assert patient.beats == 1


def test_a_stuck_process_beats_no_more_and_ends() -> None:
    patient = Patient()
    patient.wrong = "The engine does not get on."
    assert not patient.heart.once()
    assert (patient.beats, patient.ended) == (0, [EXIT_UNWELL])


def test_who_is_declared_dead_ends() -> None:
    patient = Patient()
    patient.answer = False
    assert not patient.heart.once()
    assert patient.ended == [EXIT_DECLARED_DEAD]


def test_a_ledger_that_is_away_kills_nobody() -> None:
    patient = Patient()
    patient.answer = LedgerUnavailable("away")
    assert all(patient.heart.once() for _ in range(50))
    assert patient.ended == []


def test_a_beat_that_breaks_ends_the_process_instead_of_leaving_it_without_a_heart() -> None:
    patient = Patient()
    patient.answer = KeyError("unforeseen")
    assert not patient.heart.once()
    assert patient.ended == [EXIT_UNWELL]


def test_an_alarm_is_looked_at_at_once() -> None:
    seen = threading.Event()
    heart = Heart(lambda: True, [lambda: seen.set()], die=lambda code: None, period=60.0)
    heart.start()
    heart.hurry()
    assert seen.wait(5)
    heart.stop()


def test_a_consumer_that_does_not_turn_is_stuck_but_one_without_a_broker_is_not() -> None:
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    assert pulse.wrong() is None  # not yet connected
    pulse.tick()
    now[0] += STALL_SECONDS - 1
    assert pulse.wrong() is None
    now[0] += 2
    assert pulse.wrong() is not None
    pulse.reconnecting()
    now[0] += 3600
    assert pulse.wrong() is None
