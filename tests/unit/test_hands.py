"""Whether a worker has its hands full, and for a moment after."""

from __future__ import annotations

from contextlib import ExitStack

from workers.pipeline.in_flight import MOMENT_SECONDS, Hands


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_hands_are_full_when_every_thread_holds_an_image() -> None:
    clock = Clock()
    hands = Hands(2, clock=clock)
    assert not hands.full()
    with hands.hold():
        assert not hands.full()
        with hands.hold():
            clock.now += 3600  # however long
            assert hands.full()


def test_a_thread_that_fetches_its_next_image_does_not_empty_them() -> None:
    clock = Clock()
    hands = Hands(2, clock=clock)
    with ExitStack() as stack:
        stack.enter_context(hands.hold())
        with hands.hold():
            clock.now += 60
        clock.now += MOMENT_SECONDS - 0.01
        assert hands.full()
        clock.now += 0.02
        assert not hands.full()


def test_an_image_that_breaks_is_put_down_too() -> None:
    hands = Hands(1, clock=(clock := Clock()))
    try:
        with hands.hold():
            raise RuntimeError
    except RuntimeError:
        clock.now += 2 * MOMENT_SECONDS
    assert not hands.full()
