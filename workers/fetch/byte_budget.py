"""Memory for encoded images: many threads may fetch at once, but the bytes that they hold together are bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tagger.errors import DecoderUnavailable
from tagger.settings import MIB

ENCODED_BYTES = 256 * MIB


class ByteBudget:
    """How many bytes may be held at once. An image larger than the budget may be held alone."""

    def __init__(self, total: int = ENCODED_BYTES) -> None:
        self.total = total
        self.held = 0
        self._changed = threading.Condition()

    @contextmanager
    def reservation(self) -> Iterator[Reservation]:
        """An empty reservation for one image. It is released at the end of the body at the latest."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            reservation.release()

    def _acquire(self, size: int, deadline: float) -> None:
        with self._changed:
            wait_seconds = max(0.0, deadline - time.monotonic())
            if not self._changed.wait_for(lambda: not self.held or self.held + size <= self.total, wait_seconds):
                raise DecoderUnavailable("The memory for images that wait for a decoder is full.")
            self.held += size

    def _release(self, size: int) -> None:
        with self._changed:
            self.held -= size
            self._changed.notify_all()


class Reservation:
    """The bytes of one image. Used by one thread, which acquires only once; so threads cannot deadlock."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._size = 0

    def acquire(self, size: int, deadline: float) -> None:
        """Waits for `size` bytes. Errors: DecoderUnavailable if they are not free before `deadline` (`time.monotonic()`)."""
        assert self._size == 0
        self._budget._acquire(size, deadline)
        self._size = size

    def shrink(self, size: int) -> None:
        """Keeps only `size` bytes and returns the rest to the budget."""
        if size < self._size:
            self._budget._release(self._size - size)
            self._size = size

    def release(self) -> None:
        self.shrink(0)
