"""Several engines, one timer: it must always stand at the earliest deadline. And what happens when it is reached."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from workers import watchdog

HANGS = """
import ctypes, signal, sys, threading
from workers import watchdog

def stuck() -> None:
    with watchdog.guard(0.2):
        ctypes.PyDLL(None).sleep(60)  # keeps the interpreter

signal.signal(signal.SIGALRM, signal.SIG_IGN)
watchdog.install()
with watchdog.guard(0.05):
    pass  # in time: nothing happens, then or later
owner = threading.Thread(target=stuck, name="engine-owner")
owner.start()
owner.join()
"""


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Each setting of the process's timer, in seconds from then; 0: switched off."""
    seen: list[float] = []

    def set_timer(which: int, seconds: float) -> None:
        assert which == signal.ITIMER_REAL
        seen.append(round(seconds))

    monkeypatch.setattr(signal, "setitimer", set_timer)
    return seen


def test_the_timer_is_off_when_nothing_runs(armed: list[float]) -> None:
    with watchdog.guard(60):
        pass
    assert armed == [60, 0]


def test_the_earliest_deadline_of_all_engines_counts(armed: list[float]) -> None:
    with watchdog.guard(60):
        with watchdog.guard(10), watchdog.guard(30):
            assert armed[-1] == 10
        assert armed == [60, 10, 10, 10, 60]
    assert armed[-1] == 0


def test_the_timer_is_off_after_a_batch_that_raised(armed: list[float]) -> None:
    with pytest.raises(ValueError), watchdog.guard(5):
        raise ValueError
    assert armed[-1] == 0


def test_a_call_that_never_gives_the_interpreter_back_ends_the_process_with_its_traceback() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=30)
    assert ended.returncode == -signal.SIGALRM
    assert "in stuck" in ended.stderr
