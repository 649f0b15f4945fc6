"""Memory for request bodies: however many come at once, what they hold together is bounded by bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque


class BodyBudget:
    """Bytes that bodies may hold at once. The first to ask is the first to get; nobody holds some and asks for more.

    For one event loop. One body larger than all of it may be held alone.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int, seconds: float) -> bool:
        """Wait for `size` bytes; False when there was no room within `seconds`."""
        if not self._waiting and self._fits(size):
            self.held += size
            return True
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, granted)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(seconds):
                await granted
        except BaseException as err:
            if granted.done() and not granted.cancelled():
                self.give(size)  # it was granted in the moment in which we gave up
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(entry)
                self._grant()  # who stands behind may fit
            if isinstance(err, TimeoutError):
                return False
            raise
        return True

    def give(self, size: int) -> None:
        self.held -= size
        self._grant()

    def _fits(self, size: int) -> bool:
        return not self.held or self.held + size <= self.total

    def _grant(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, granted = self._waiting.popleft()
            if not granted.done():
                self.held += size
                granted.set_result(None)
