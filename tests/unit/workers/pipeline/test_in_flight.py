"""A worker is full while all its threads process an image, and for a moment after."""

from __future__ import annotations

from contextlib import ExitStack

from workers.pipeline.in_flight import RECENT_SECONDS, InFlight


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_worker_is_full_when_every_thread_has_an_image() -> None:
    clock = Clock()
    in_flight = InFlight(2, clock=clock)
    assert not in_flight.full()
    with in_flight.hold("job"):
        assert not in_flight.full()
        with in_flight.hold("job"):
            clock.now += 3600  # however long
            assert in_flight.full()


def test_a_worker_stays_full_while_a_thread_fetches_its_next_image() -> None:
    clock = Clock()
    in_flight = InFlight(2, clock=clock)
    with ExitStack() as stack:
        stack.enter_context(in_flight.hold("job"))
        with in_flight.hold("job"):
            clock.now += 60
        clock.now += RECENT_SECONDS - 0.01
        assert in_flight.full()
        clock.now += 0.02
        assert not in_flight.full()


def test_an_image_that_raises_is_no_longer_in_flight() -> None:
    in_flight = InFlight(1, clock=(clock := Clock()))
    try:
        with in_flight.hold("job"):
            raise RuntimeError
    except RuntimeError:
        clock.now += 2 * RECENT_SECONDS
    assert not in_flight.full()


def test_the_jobs_in_flight_are_known() -> None:
    in_flight = InFlight(2)
    with in_flight.hold("a"):
        with in_flight.hold("b"):
            assert in_flight.jobs() == {"a", "b"}
        assert in_flight.jobs() == {"a"}
    assert in_flight.jobs() == frozenset()
