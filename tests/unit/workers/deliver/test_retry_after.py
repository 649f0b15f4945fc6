"""Retry-After, and the wait that a failed attempt makes of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.delivery import JITTER, MAX_RETRY_AFTER_MS, SCHEDULE_MS, wait_ms
from tagger.net.retry_after import retry_after_ms

DAY_SECONDS = 86_400
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ZONES = st.integers(-12 * 60, 14 * 60)
FAILURES = st.integers(1, len(SCHEDULE_MS))
ASKED = st.none() | st.integers(0, 10**9)


@given(seconds=st.integers(0, 10**10 - 1), padding=st.sampled_from(["", " ", "\t "]))
def test_seconds_are_taken_at_their_word_for_up_to_a_day(seconds: int, padding: str) -> None:
    assert retry_after_ms(f"{padding}{seconds}{padding}", NOW.timestamp()) == min(seconds, DAY_SECONDS) * 1000


@given(seconds=st.integers(-10 * DAY_SECONDS, 10 * DAY_SECONDS), minutes=ZONES)
def test_a_date_is_a_moment_in_whatever_zone_and_the_past_is_now(seconds: int, minutes: int) -> None:
    moment = NOW + timedelta(seconds=seconds)
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    there = (moment + timedelta(minutes=minutes)).strftime("%a, %d %b %Y %H:%M:%S ") + zone
    for text in (format_datetime(moment, usegmt=True), there):
        assert retry_after_ms(text, NOW.timestamp()) == min(max(seconds, 0), DAY_SECONDS) * 1000


@pytest.mark.parametrize(
    "text", ["", "-5", "+5", "1.5", "5s", "1e3", "٣", "0x10", "1,2", "99999999999", "Sat, 99 Nov 2026 09:31:01 GMT"]
)
def test_what_is_neither_is_as_if_it_were_not_there(text: str) -> None:
    assert retry_after_ms(text, NOW.timestamp()) is None


@given(failures=FAILURES, asked=ASKED, seed=st.integers(0, 2**32))
def test_a_wait_is_never_shorter_than_asked_nor_far_from_the_schedule(failures: int, asked: int | None, seed: int) -> None:
    wait = wait_ms(failures, random.Random(seed), asked)
    assert wait is not None
    planned = SCHEDULE_MS[failures - 1]
    least = min(asked or 0, MAX_RETRY_AFTER_MS)
    assert max(least, round(planned * (1 - JITTER))) <= wait <= max(least, round(planned * (1 + JITTER)))


@given(more=st.integers(1, 100), asked=ASKED)
def test_no_retry_after_buys_an_attempt_beyond_the_schedule(more: int, asked: int | None) -> None:
    assert wait_ms(len(SCHEDULE_MS) + more, random.Random(1), asked) is None
