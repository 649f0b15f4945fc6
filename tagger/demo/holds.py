"""A barrier for demonstrations: the callback of a held asset waits at the door until somebody lets it in.

So an editor's words can be typed *between* description and write, every time, and not by luck with the clock.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

WAIT_SECONDS = 8.0  # less than a deliverer's patience; afterwards it is asked to come again


@dataclass
class _Hold:
    open: bool = False
    arrived: bool = False
    waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=list)


class Holds:
    """Which assets are held, and whose callback has arrived. Usable from any thread; lives as long as the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holds: dict[str, _Hold] = {}

    def hold(self, asset_id: str) -> None:
        with self._lock:
            self._holds.setdefault(asset_id, _Hold())

    def release(self, asset_id: str) -> bool:
        """Lets the asset's callbacks in; False if it was not held."""
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
        """ "free", "held" (nothing came yet) or "waiting" (a callback has arrived and waits)."""
        with self._lock:
            hold = self._holds.get(asset_id)
            return "free" if hold is None else "waiting" if hold.arrived else "held"

    async def pass_through(self, asset_id: str) -> bool:
        """Waits until the asset is free, at most WAIT_SECONDS; False when it is still held then."""
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
