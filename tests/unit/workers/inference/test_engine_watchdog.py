"""Several engines share one timer, which is always set to the earliest deadline."""

from __future__ import annotations

import faulthandler
from typing import Any

import pytest

from workers.inference import watchdog


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """Each setting of the process's timer, in seconds from then; None: switched off."""
    seen: list[float | None] = []

    def later(seconds: float, *, exit: bool, file: Any) -> None:
        assert exit
        assert file is not None
        seen.append(round(seconds))

    monkeypatch.setattr(faulthandler, "dump_traceback_later", later)
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: seen.append(None))
    return seen


def test_the_timer_is_off_when_nothing_runs(armed: list[float | None]) -> None:
    with watchdog.guard(60):
        pass
    assert armed == [60, None]


def test_the_earliest_deadline_of_all_engines_counts(armed: list[float | None]) -> None:
    with watchdog.guard(60):
        with watchdog.guard(10), watchdog.guard(30):
            assert armed[-1] == 10
        assert armed == [60, 10, 10, 10, 60]
    assert armed[-1] is None


def test_the_timer_is_off_after_a_batch_that_raised(armed: list[float | None]) -> None:
    with pytest.raises(ValueError), watchdog.guard(5):
        raise ValueError
    assert armed[-1] is None


def test_a_body_that_gets_on_has_its_time_again_but_sets_no_timer_for_each_step(
    armed: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: now[0])
    with watchdog.guard(60) as again:
        for _ in range(9):
            now[0] += 0.1
            again()
        assert armed == [60]
        now[0] += 40
        again()
        assert armed == [60, 60]
