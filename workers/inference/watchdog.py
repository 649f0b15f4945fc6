"""Ends the process when a batch hangs.

`faulthandler.dump_traceback_later(exit=True)` runs in a C thread. So it also works during a call that never releases the GIL,
where no Python thread could run. There is one such timer per process, but there may be several engines. So the timer is always
set to the earliest deadline of all guarded calls.
"""

from __future__ import annotations

import faulthandler
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

COARSE_SECONDS = 1.0  # each change of the timer starts a thread

_lock = threading.Lock()
_deadlines: dict[int, float] = {}  # call → time.monotonic() at which it is hung
_calls = itertools.count()


@contextmanager
def guard(seconds: float) -> Iterator[Callable[[], None]]:
    """The process ends if the body takes longer than `seconds`. The function that the body gets restarts that time, to within
    COARSE_SECONDS."""
    call = next(_calls)

    def again() -> None:
        until = time.monotonic() + seconds
        if until - _deadlines[call] > COARSE_SECONDS:
            with _lock:
                _deadlines[call] = until
                _arm()

    with _lock:
        _deadlines[call] = time.monotonic() + seconds
        _arm()
    try:
        yield again
    finally:
        with _lock:
            del _deadlines[call]
            _arm()


def _arm() -> None:
    if not _deadlines:
        faulthandler.cancel_dump_traceback_later()
        return
    seconds_left = max(0.001, min(_deadlines.values()) - time.monotonic())
    # Under a test runner sys.stderr may have no descriptor, but sys.__stderr__ has one.
    faulthandler.dump_traceback_later(seconds_left, exit=True, file=sys.__stderr__ or sys.stderr)
