"""Memory for encoded images: however many threads fetch at once, what they hold together is bounded by bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tagger.errors import DecoderUnavailable
from tagger.settings import MIB

ENCODED_BYTES = 256 * MIB


class Room:
    """Bytes that may be held at once. One image larger than all of it may be held alone."""

    def __init__(self, total: int = ENCODED_BYTES) -> None:
        self.total = total
        self.held = 0
        self._changed = threading.Condition()

    @contextmanager
    def share(self) -> Iterator[Share]:
        """What one image holds; given back at the end at the latest."""
        share = Share(self)
        try:
            yield share
        finally:
            share.drop()

    def _take(self, size: int, deadline: float) -> None:
        with self._changed:
            left = deadline - time.monotonic()
            if not self._changed.wait_for(lambda: not self.held or self.held + size <= self.total, max(0.0, left)):
                raise DecoderUnavailable("Images that wait for a decoder fill the memory set aside for them.")
            self.held += size

    def _give(self, size: int) -> None:
        with self._changed:
            self.held -= size
            self._changed.notify_all()


class Share:
    """Of one image, and one thread. Whoever holds some must not wait for more: so nobody waits for each other."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0

    def take(self, size: int, deadline: float) -> None:
        """Waits for `size` bytes. Errors: DecoderUnavailable when there is no room before `deadline` (`time.monotonic()`)."""
        assert self._size == 0
        self._room._take(size, deadline)
        self._size = size

    def keep(self, size: int) -> None:
        """So much is needed after all; the rest goes to the others."""
        if size < self._size:
            self._room._give(self._size - size)
            self._size = size

    def drop(self) -> None:
        self.keep(0)
