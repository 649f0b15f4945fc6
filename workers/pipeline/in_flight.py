"""Counts the images that a worker processes at the same time, to tell whether all its task threads are busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

RECENT_SECONDS = 1.0  # threads that finish together start their next images one after the other


class InFlight:
    """The images in the task threads of one worker. Thread-safe."""

    def __init__(self, threads: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._threads = threads
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._jobs: set[str] = set()
        self._last_full = float("-inf")
        self._last_end = clock()

    @contextmanager
    def hold(self, job_id: str) -> Iterator[None]:
        """Counts one image while the body runs."""
        with self._lock:
            self._count += 1
            self._jobs.add(job_id)
        try:
            yield
        finally:
            with self._lock:
                if self._count >= self._threads:
                    self._last_full = self._clock()
                self._count -= 1
                self._jobs.discard(job_id)
                self._last_end = self._clock()

    def jobs(self) -> frozenset[str]:
        """The ids of their jobs."""
        with self._lock:
            return frozenset(self._jobs)

    def idle_seconds(self) -> float:
        """How long the worker has had no image; 0 while it has one."""
        with self._lock:
            return 0.0 if self._count else self._clock() - self._last_end

    def full(self) -> bool:
        """True while every thread is busy, and for RECENT_SECONDS after. Then more jobs are probably waiting."""
        with self._lock:
            return self._count >= self._threads or self._clock() - self._last_full < RECENT_SECONDS
