"""A worker without work gives the memory back that its images and the loading of its models used.

glibc keeps freed memory for the process. In an idle tag worker with the lite models that is a third of all.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable

QUIET_SECONDS = 5.0  # longer than the pause between two uploads of one editor; taking memory again costs milliseconds
LOOK_SECONDS = 2.0


def give_back() -> None:
    """Returns freed memory to the system, where the C library is glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


class IdleMemory:
    """Calls `act` once whenever the worker has become idle."""

    def __init__(self, idle_seconds: Callable[[], float], act: Callable[[], None] = give_back) -> None:
        self._idle_seconds = idle_seconds
        self._act = act
        self._done = False

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        while not stop.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        idle = self._idle_seconds() >= QUIET_SECONDS
        if idle and not self._done:
            self._act()
        self._done = idle
