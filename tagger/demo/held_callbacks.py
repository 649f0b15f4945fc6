"""A barrier for the demo: the callback of a held asset waits until the asset is released.

So an editor can always save a text *between* description and write. It does not depend on the timing.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

WAIT_SECONDS = 8.0  # shorter than the deadline of a delivery attempt; after it the delivery is retried


@dataclass
class _Hold:
    open: bool = False
    arrived: bool = False
    waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=list)


class HeldCallbacks:
    """The held assets, and those whose callback has arrived. Thread-safe; kept only in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holds: dict[str, _Hold] = {}

    def hold(self, asset_id: str) -> None:
        with self._lock:
            self._holds.setdefault(asset_id, _Hold())

    def release(self, asset_id: str) -> bool:
        """Release the callbacks of the asset. False if it was not held."""
        with self._lock:
            hold = self._holds.pop(asset_id, None)
        if hold is None:
            return False
        hold.open = True
        for loop, event in hold.waiters:
            loop.call_soon_threadsafe(event.set)
        return True

    def release_all(self) -> None:
        for asset_id in list(self._holds):
            self.release(asset_id)

    def state(self, asset_id: str) -> str:
        """ "free", "held" (no callback arrived yet) or "waiting" (a callback arrived and waits)."""
        with self._lock:
            hold = self._holds.get(asset_id)
            return "free" if hold is None else "waiting" if hold.arrived else "held"

    async def pass_through(self, asset_id: str) -> bool:
        """Wait until the asset is released, at most WAIT_SECONDS. False if it is still held."""
        event = asyncio.Event()
        with self._lock:
            hold = self._holds.get(asset_id)
            if hold is None:
                return True
            hold.arrived = True
            hold.waiters.append((asyncio.get_running_loop(), event))
        try:
            await asyncio.wait_for(event.wait(), WAIT_SECONDS)
        except TimeoutError:
            return False
        return True
