"""A call is repeated while a service is away, with the given pauses, until the caller gives up."""

from __future__ import annotations

import pytest

from tagger.errors import LedgerUnavailable
from workers.runtime.retry import retry


def test_the_pauses_are_used_in_order_and_the_last_one_repeats() -> None:
    answers: list[Exception | str] = [LedgerUnavailable("away")] * 4 + ["done"]  # type: ignore[list-item]
    paused: list[float] = []
    failures: list[int] = []

    def call() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def wait(seconds: float) -> bool:
        paused.append(seconds)
        return False

    assert retry(call, waits=(1, 2), give_up=wait, on_failure=lambda tries, _err: failures.append(tries)) == "done"
    assert (paused, failures) == ([1, 2, 2, 2], [1, 2, 3, 4])


def test_the_error_is_raised_when_the_caller_gives_up() -> None:
    def call() -> None:
        raise LedgerUnavailable("away")

    with pytest.raises(LedgerUnavailable):
        retry(call, waits=(1,), give_up=lambda _seconds: True)


def test_any_other_error_is_raised_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        retry(lambda: 1 / 0, waits=(1,), give_up=lambda _seconds: False)
