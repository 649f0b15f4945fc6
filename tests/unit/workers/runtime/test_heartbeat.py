"""When the heartbeat stops, and when the process ends."""

from __future__ import annotations

import threading

import pytest

from tagger.errors import LedgerUnavailable
from workers.pipeline.celery_consumer import STALL_SECONDS, ConsumerLiveness
from workers.runtime.heartbeat import EXIT_DECLARED_DEAD, EXIT_UNHEALTHY, Heartbeat


class Process:
    def __init__(self) -> None:
        self.beats = 0
        self.answer: bool | Exception = True
        self.problem: str | None = None
        self.ended: list[int] = []
        self.heartbeat = Heartbeat(self.beat, [lambda: self.problem], die=self.ended.append, period=0.01, patience=0.0)

    def beat(self) -> bool:
        self.beats += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_well_process_beats() -> None:
    process = Process()
    assert process.heartbeat.once()
    assert process.beats == 1


def test_a_stuck_process_beats_no_more_and_ends() -> None:
    process = Process()
    process.problem = "The engine does not get on."
    assert not process.heartbeat.once()
    assert (process.beats, process.ended) == (0, [EXIT_UNHEALTHY])


def test_who_is_declared_dead_ends() -> None:
    process = Process()
    process.answer = False
    assert not process.heartbeat.once()
    assert process.ended == [EXIT_DECLARED_DEAD]


class Clock:
    """`now` and the processor time that the process used."""

    def __init__(self) -> None:
        self.now, self.used = 100.0, 5.0


@pytest.mark.parametrize(("wall", "used", "acquits"), [(9.0, 0.2, True), (9.0, 8.5, False), (9.0, 20.0, False)])
def test_only_a_worker_that_got_no_processor_asks_for_its_images(wall: float, used: float, acquits: bool) -> None:
    """An image that kept the process busy for a whole lease may be the cause."""
    clock, told, process = Clock(), list[str](), Process()
    heartbeat = Heartbeat(
        process.beat,
        die=lambda code: told.append(f"ended {code}"),
        clock=lambda: clock.now,
        processor_clock=lambda: clock.used,
    )
    heartbeat.on_starved = lambda: told.append("starved")
    assert heartbeat.once()
    clock.now, clock.used, process.answer = clock.now + wall, clock.used + used, False
    assert not heartbeat.once()
    assert told == [*(["starved"] if acquits else []), f"ended {EXIT_DECLARED_DEAD}"], "it ends in any case"


@pytest.mark.parametrize("error", [LedgerUnavailable("away"), RuntimeError("a fault of ours")])
def test_no_error_keeps_a_starved_worker(error: Exception) -> None:
    def away() -> None:
        raise error

    clock, process = Clock(), Process()
    heartbeat = Heartbeat(process.beat, die=process.ended.append, clock=lambda: clock.now, processor_clock=lambda: clock.used)
    heartbeat.on_starved = away
    clock.now, process.answer = clock.now + 9, False
    assert not heartbeat.once()
    assert process.ended == [EXIT_DECLARED_DEAD]


def test_a_ledger_that_is_away_kills_nobody() -> None:
    process = Process()
    process.answer = LedgerUnavailable("away")
    assert all(process.heartbeat.once() for _ in range(50))
    assert process.ended == []


def test_a_beat_that_breaks_ends_the_process_instead_of_leaving_it_without_a_heart() -> None:
    process = Process()
    process.answer = KeyError("unforeseen")
    assert not process.heartbeat.once()
    assert process.ended == [EXIT_UNHEALTHY]


def test_an_alarm_is_looked_at_at_once() -> None:
    seen = threading.Event()
    heartbeat = Heartbeat(lambda: True, [lambda: seen.set()], die=lambda code: None, period=60.0)
    heartbeat.start()
    heartbeat.check_now()
    assert seen.wait(5)
    heartbeat.stop()


def test_a_consumer_that_does_not_turn_is_stuck_but_one_without_a_broker_is_not() -> None:
    now = [0.0]
    liveness = ConsumerLiveness(lambda: now[0])
    assert liveness.problem() is None  # not yet connected
    liveness.tick()
    now[0] += STALL_SECONDS - 1
    assert liveness.problem() is None
    now[0] += 2
    assert liveness.problem() is not None
    liveness.reconnecting()
    now[0] += 3600
    assert liveness.problem() is None
