"""The queue of one model. Many task threads add items and wait; one owner thread takes batches.

The order is always first in, first out. A batch is the longest prefix of the queue that fits the budget. An item that does not
fit is the first of the next batch. If the thread of an item stopped waiting, or its deadline passed, the item is removed before
the batch, so it costs no device time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tagger.errors import BatchOverdue, EngineStopped
from tagger.telemetry import tracing
from workers.inference.budget import Budget

P = TypeVar("P")
R = TypeVar("R")


def always() -> bool:
    """The default `patient`."""
    return True


@dataclass(kw_only=True, eq=False)
class Entry(Generic[P, R]):
    """One item in the queue, with the future of its waiting thread. It is answered exactly once."""

    item: P
    size: float  # cost units
    deadline: float  # seconds on the batcher's clock
    queued: float
    answer: Future[R] = field(default_factory=Future)
    span: tracing.Span | None = None  # of the thread that waits


class Batcher(Generic[P, R]):
    """A bounded queue whose `submit` blocks until the item is answered and whose `take` hands out batches."""

    def __init__(
        self,
        budget: Budget,
        *,
        wait_ms: float = 15.0,
        max_waiting: int | None = None,
        patient: Callable[[], bool] = always,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wait_ms`: how long an idle owner waits until a batch is full. `max_waiting`: the most items in the queue; above it
        `submit` blocks. The default is four full batches. `patient`: while it returns False, each item runs alone, at once.
        """
        self.budget = budget
        self._wait = wait_ms / 1000
        self._most = 4 * budget.max_batch if max_waiting is None else max_waiting
        self._patient = patient
        self._clock = clock
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)  # the owner waits here
        self._outside: deque[threading.Condition] = deque()  # threads that wait for a place in the queue, in order of arrival
        self._queue: deque[Entry[P, R]] = deque()
        self._units = 0.0  # sum of sizes in the queue
        self._closed = False

    def __len__(self) -> int:
        """Items in the queue, without those that run."""
        with self._lock:
            return len(self._queue)

    def oldest(self) -> float | None:
        """When the first item was added; None: the queue is empty."""
        with self._lock:
            return self._queue[0].queued if self._queue else None

    def submit(self, item: P, *, size: float = 1.0, deadline: float) -> R:
        """Queue the item and wait for its result. `deadline`: seconds on the batcher's clock.

        Errors: BatchOverdue at the deadline, also if the item runs at that time; EngineStopped after `close`; else the
        error that the owner set.
        """
        waiting = tracing.current()
        with self._lock:
            self._wait_for_room(deadline)
            entry: Entry[P, R] = Entry(item=item, size=size, deadline=deadline, queued=self._clock(), span=waiting)
            self._queue.append(entry)
            self._units += size
            if len(self._queue) == 1 or self._full():
                self._arrived.notify()
        try:
            return entry.answer.result(timeout=max(0.0, deadline - self._clock()))
        except TimeoutError:
            entry.answer.cancel()
            raise BatchOverdue("The model gave no result before the job's deadline.") from None
        except CancelledError:
            raise EngineStopped from None
        except BaseException:
            entry.answer.cancel()  # an interrupted thread must not cost device time
            raise

    def take(self, timeout: float | None = None) -> list[Entry[P, R]] | None:
        """The next batch, for the owner thread. Empty after `timeout` seconds without work; None: closed and drained.

        Every entry of the batch is marked as running and must be answered by the caller.
        """
        with self._lock:
            if not self._queue and not self._closed:
                self._arrived.wait(timeout)
            if not self._queue:
                return None if self._closed else []
            if not self._patient():
                return self._cut(1)
            until = self._clock() + self._wait
            while not self._full() and not self._closed and (seconds_left := until - self._clock()) > 0:
                self._arrived.wait(seconds_left)
            return self._cut(self.budget.max_batch)

    def close(self) -> None:
        """Accept no more items. Items in the queue can still be taken."""
        with self._lock:
            self._closed = True
            self._arrived.notify_all()
            for gate in self._outside:
                gate.notify()

    def abort(self, reason: str) -> None:
        """Close, and answer everything in the queue with EngineStopped."""
        self.close()
        with self._lock:
            entries, self._units = list(self._queue), 0.0
            self._queue.clear()
        for entry in entries:
            if entry.answer.set_running_or_notify_cancel():
                entry.answer.set_exception(EngineStopped(reason))

    def _wait_for_room(self, deadline: float) -> None:
        """Back-pressure. A new thread never overtakes a thread that already waits."""
        if self._closed:
            raise EngineStopped("The model accepts no more images.")
        if not self._outside and len(self._queue) < self._most:
            return
        gate = threading.Condition(self._lock)
        self._outside.append(gate)
        try:
            while self._outside[0] is not gate or len(self._queue) >= self._most:
                seconds_left = deadline - self._clock()
                if seconds_left <= 0:
                    raise BatchOverdue("The model's queue was full until the job's deadline.")
                gate.wait(seconds_left)
                if self._closed:
                    raise EngineStopped("The model accepts no more images.")
        finally:
            self._outside.remove(gate)
            if self._outside:
                self._outside[0].notify()  # there may be place for one more, or this thread stopped waiting

    def _full(self) -> bool:
        """Would one more item of the same kind no longer fit?"""
        count = len(self._queue)
        return count >= self._most or not self.budget.fits(count + 1, self._units * (count + 1) / count)

    def _cut(self, most: int) -> list[Entry[P, R]]:
        """Take the longest prefix of live entries that fits, but no more than `most`."""
        now = self._clock()
        batch: list[Entry[P, R]] = []
        size = 0.0
        while self._queue and len(batch) < most:
            entry = self._queue[0]
            if entry.deadline > now and not self.budget.fits(len(batch) + 1, size + entry.size):
                break
            self._queue.popleft()
            self._units -= entry.size
            if not entry.answer.set_running_or_notify_cancel():
                continue
            if entry.deadline <= now:
                entry.answer.set_exception(BatchOverdue())
                continue
            batch.append(entry)
            size += entry.size
        if not self._queue:
            self._units = 0.0  # no drift of the running sum
        if self._outside:
            self._outside[0].notify()
        return batch
