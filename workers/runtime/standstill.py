"""How long this process stood still: stopped, in a paused machine, or without a processor. No image is charged for that time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

TICK_SECONDS = 0.5
GAP_SECONDS = 2.0  # between two ticks: less is a busy machine
LONG_SECONDS = 4.0  # a standstill that can make an image miss a limit; shorter than a lease
KEPT = 64  # gaps


class Standstill:
    """Ticks in a thread of its own. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._gaps: deque[tuple[float, float]] = deque(maxlen=KEPT)  # from, to
        self._lock = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        while not stop.wait(TICK_SECONDS):
            self.tick()

    def tick(self) -> None:
        with self._lock:
            now = self._clock()
            if now - self._last > GAP_SECONDS:
                self._gaps.append((self._last, now))
            self._last = now

    def seconds(self, since: float) -> float:
        """Of the time since then, by the same clock. Counts a gap that no tick has closed yet: who wakes first may ask first."""
        self.tick()
        with self._lock:
            return sum(max(0.0, end - max(begin, since)) for begin, end in self._gaps)
