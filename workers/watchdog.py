"""Ends the process when a batch hangs, with the tracebacks of all threads on stderr.

A timer of the kernel's sends SIGALRM, which faulthandler answers in C: so it fires also under a call that never gives the
interpreter back, where no Python thread would. faulthandler's own `dump_traceback_later` does the same with a thread that
it makes anew for every call, twenty times as dear (100 µs to 5). There is one timer per process, but there may be
several engines: so it always stands at the earliest deadline of all guarded calls.
"""

from __future__ import annotations

import faulthandler
import itertools
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_deadlines: dict[int, float] = {}  # call → time.monotonic() at which it is hung
_calls = itertools.count()


def install() -> None:
    """What SIGALRM does from now on: tracebacks, then the end of the process, by this signal."""
    if threading.current_thread() is threading.main_thread():  # elsewhere Python does not let us
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # whoever started us may have ignored it
    # Under a test runner sys.stderr may have no descriptor; the process's own always has.
    faulthandler.register(signal.SIGALRM, file=sys.__stderr__ or sys.stderr, all_threads=True, chain=True)


@contextmanager
def guard(seconds: float) -> Iterator[None]:
    """The process ends if the body takes longer than `seconds`. `install` comes first."""
    call = next(_calls)
    with _lock:
        _deadlines[call] = time.monotonic() + seconds
        _arm()
    try:
        yield
    finally:
        with _lock:
            del _deadlines[call]
            _arm()


def _arm() -> None:
    left = max(0.001, min(_deadlines.values()) - time.monotonic()) if _deadlines else 0.0  # 0 switches it off
    signal.setitimer(signal.ITIMER_REAL, left)
