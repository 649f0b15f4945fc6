"""The limits of a batch: a count, cost units, predicted milliseconds, and the memory of the device."""

from __future__ import annotations

import math
from collections import deque
from itertools import combinations
from statistics import median

SAMPLES = 16  # newest times kept per size class
STALE = 512  # batches after which a size class that was not seen again is forgotten
GROWTH = 4  # a batch is at most this many times larger than any before, while milliseconds bind
OOM_PATIENCE = 32  # good full batches before the memory cap is raised again
OOM_STEP = 1.25


class CostFit:
    """Seconds of a batch as a + b·size, estimated from the batches that ran.

    The estimate is robust in two ways. First, the lower quartile of the newest times of each size class (half an octave) counts,
    because a disturbance makes a batch slower, never faster. Second, the line is that of Theil and Sen, the median of the slopes,
    so one wrong class does not change it. Small classes are kept during a run of full batches, so the fixed cost stays known.
    They are removed later, so that times of a busy hour do not keep the batches small.
    """

    def __init__(self) -> None:
        self._classes: dict[int, deque[tuple[float, float]]] = {}
        self._seen: dict[int, int] = {}  # class → number of the last batch in it
        self._count = 0
        self._line: tuple[float, float] | None = None
        self.largest = 0.0  # size of the largest batch that counts in the line

    def add(self, size: float, seconds: float) -> None:
        key = round(2 * math.log2(size))
        self._classes.setdefault(key, deque(maxlen=SAMPLES)).append((size, seconds))
        self._count += 1
        self._seen[key] = self._count
        for old in [k for k, seen in self._seen.items() if self._count - seen > STALE]:
            del self._classes[old], self._seen[old]
        self._line = self._fit()
        self.largest = max(size for samples in self._classes.values() for size, _ in samples)

    def predict(self, size: float) -> float | None:
        """Seconds that a batch of `size` units will take; None before the first batch."""
        if self._line is None:
            return None
        a, b = self._line
        return a + b * size

    @property
    def line(self) -> tuple[float, float] | None:
        """(a, b): seconds per batch, seconds per unit."""
        return self._line

    def _fit(self) -> tuple[float, float]:
        points = [_typical(samples) for samples in self._classes.values()]
        slopes = [(t1 - t0) / (s1 - s0) for (s0, t0), (s1, t1) in combinations(points, 2) if s0 != s1]
        if not slopes:  # one class only: assume that all of it is fixed cost, so that the next batch is larger
            return points[0][1], 0.0
        b = max(0.0, median(slopes))
        return max(0.0, median(t - b * s for s, t in points)), b


def _typical(samples: deque[tuple[float, float]]) -> tuple[float, float]:
    by_rate = sorted(samples, key=lambda sample: sample[1] / sample[0])
    return by_rate[len(by_rate) // 4]


class Budget:
    """The limits of one batch. A single item is always allowed. The owner thread updates the limits; any thread may read them."""

    def __init__(self, *, max_batch: int, budget_ms: float | None = None, max_units: float | None = None) -> None:
        """`max_batch` items, `budget_ms` predicted milliseconds, `max_units` cost units; None: no such limit."""
        if max_batch < 1:
            raise ValueError("max_batch must be at least 1")
        self.max_batch = max_batch
        self._seconds = math.inf if budget_ms is None else budget_ms / 1000
        self._units = math.inf if max_units is None else max_units
        self._memory = math.inf  # units; finite after an out-of-memory
        self._ample = 0.0  # units of the batch that ran out of memory first: from there on no cap again
        self._good = 0
        self.cost = CostFit()

    def fits(self, count: int, size: float) -> bool:
        """Whether a batch of `count` items and `size` units in all may run."""
        return count <= 1 or (count <= self.max_batch and self._share(size) <= 1.0)

    def fill(self, count: int, size: float) -> float:
        """The share of the budget that such a batch uses, by the tightest limit, 0..1. 1.0 also for one item above the limit."""
        return min(1.0, max(count / self.max_batch, self._share(size)))

    def ran(self, size: float, seconds: float) -> None:
        """Record that a batch of `size` units took `seconds` and succeeded."""
        self.cost.add(size, seconds)
        if self._memory == math.inf or size < 0.5 * self._memory:
            return
        self._good += 1
        if self._good >= OOM_PATIENCE:
            self._good = 0
            self._memory *= OOM_STEP
            if self._memory >= self._ample:
                self._memory = math.inf

    def ran_out_of_memory(self, count: int, size: float) -> None:
        """Halve the limit, because a batch of `count` items and `size` units exceeded the device's memory. The limit stays at one
        item or more."""
        if self._memory == math.inf:
            self._ample = size
        self._memory = min(self._memory, max(size / 2, size / count))
        self._good = 0

    def _share(self, size: float) -> float:
        share = max(size / self._units, size / self._memory)
        predicted = self.cost.predict(size)
        if predicted is None or self._seconds == math.inf:
            return share
        return max(share, predicted / self._seconds, size / (GROWTH * self.cost.largest))
