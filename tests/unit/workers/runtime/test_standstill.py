"""Time in which the process did not run."""

from __future__ import annotations

import threading

from workers.runtime.heartbeat import STILL_SECONDS, Heartbeat
from workers.runtime.standstill import Standstill


def test_only_gaps_between_ticks_count_and_only_since_the_moment_asked_for() -> None:
    now = [0.0]
    still = Standstill(lambda: now[0])
    for _ in range(20):
        now[0] += 0.5
        still.tick()
    assert still.seconds(0.0) == 0
    now[0] += 15.0
    assert still.seconds(0.0) == 15.0, "whoever wakes first may ask before the next tick"
    still.tick()
    assert still.seconds(20.0) == 5.0
    assert still.seconds(now[0]) == 0


def test_a_process_that_stood_still_asks_how_it_is_one_beat_later() -> None:
    """Its consumer stood still as long, and had no time yet to show that it turns."""
    moments = iter([0.0, 1.0 + STILL_SECONDS + 30, 40.0, 41.0, 50.0, 51.0])
    beats, died = list[int](), threading.Event()
    heartbeat = Heartbeat(
        lambda: beats.append(1) is None, [lambda: "It has not turned for 30 s."], die=lambda _code: died.set(),
        period=0.001, patience=0, clock=lambda: next(moments),
    )  # fmt: skip
    heartbeat.start()
    assert died.wait(10)
    heartbeat.stop()
    assert len(beats) == 1
