"""SIGTERM and SIGHUP for commands with a temporary folder. The signals raise an exception, so that the folder is deleted."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Terminated(SystemExit):
    """The exit status is 128 plus the number of the signal, as if the signal had ended the process."""


@contextlib.contextmanager
def cleaning_up() -> Iterator[None]:
    """Within the block a signal raises Terminated, once. A second signal must not interrupt the cleanup."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers and receive signals
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
