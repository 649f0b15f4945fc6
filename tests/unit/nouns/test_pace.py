"""The pace of a backfill: at most the asked rate, slower when the CMS asks for it, quicker again afterwards."""

from __future__ import annotations

import pytest

from tagger.pace import Pace, allowed, answered, away, of_rate, quicker, slower, used

NOW = 1_000_000


def test_without_a_rate_there_is_no_limit() -> None:
    assert allowed(Pace(), NOW) is None
    assert used(Pace(), 500, NOW) == Pace()


@pytest.mark.parametrize("rate", [0.05, 0.5, 3.0, 40.0])
def test_no_more_than_the_rate_is_fed_over_any_time(rate: float) -> None:
    pace, fed = of_rate(rate, NOW), 0
    for now in range(NOW, NOW + 100_000, 700):
        images = allowed(pace, now) or 0
        pace, fed = used(pace, images, now), fed + images
    assert rate * 100 * 0.9 - 1 <= fed <= rate * 100 + 1


def test_a_pause_saves_no_large_burst() -> None:
    assert allowed(of_rate(2.0, NOW), NOW + 3_600_000) == 20


def test_a_wish_of_the_cms_halves_the_rate_and_is_waited_for() -> None:
    pace = slower(of_rate(8.0, NOW), NOW, NOW + 30_000)
    assert (pace.rate, allowed(pace, NOW + 29_999), allowed(pace, NOW + 31_000)) == (4.0, 0, 4)
    assert slower(Pace(), NOW, NOW, measured=6.0).rate == 3.0
    assert slower(Pace(rate=0.1), NOW, NOW).rate == 0.1, "it never stands still"


def test_it_gets_quicker_again_up_to_what_was_asked() -> None:
    pace = slower(of_rate(8.0, NOW), NOW, NOW + 1_000)
    assert quicker(pace, NOW + 5_000) == pace
    now = NOW
    for _ in range(20):
        now += 12_000
        pace = quicker(pace, now)
    assert pace.rate == 8.0
    free = slower(Pace(), NOW, NOW, measured=100.0)
    for _ in range(40):
        now += 12_000
        free = quicker(free, now)
    assert (free.rate, allowed(free, now)) == (None, None), "an unset rate is no limit in the end"


def test_a_library_that_is_away_is_asked_ever_less_often_and_then_at_once() -> None:
    pace, waits = Pace(), []
    for _ in range(10):
        pace = away(pace, NOW, "It does not answer.")
        waits.append(pace.not_before_ms - NOW)
    assert waits == [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000, 300_000]
    assert pace.trouble == "It does not answer."
    assert (answered(pace).failures, answered(pace).trouble) == (0, "")
