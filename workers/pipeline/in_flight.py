"""How much a worker has in its hands: whether all its threads were busy a moment ago, so that more work surely waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOMENT_SECONDS = 1.0  # threads that end together take their next images one after the other


class Hands:
    """The images that the task threads of one worker hold. Thread-safe."""

    def __init__(self, threads: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._threads = threads
        self._clock = clock
        self._lock = threading.Lock()
        self._held = 0
        self._last_full = float("-inf")

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Around each image."""
        with self._lock:
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                if self._held >= self._threads:
                    self._last_full = self._clock()
                self._held -= 1

    def full(self) -> bool:
        """Is every thread busy, or was it a moment ago?"""
        with self._lock:
            return self._held >= self._threads or self._clock() - self._last_full < MOMENT_SECONDS
