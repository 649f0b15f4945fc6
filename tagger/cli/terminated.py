"""SIGTERM and SIGHUP for commands that keep a temporary folder: they end like an exception, so that the folder goes too."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Terminated(SystemExit):
    """The exit status is 128 and the signal's number, as of a process that the signal ended."""


@contextlib.contextmanager
def cleaning_up() -> Iterator[None]:
    """Within the block the signals raise Terminated, once: a second one must not break the cleaning."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and only it gets them
        return
    before = {number: signal.signal(number, _end) for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise Terminated(128 + number)
