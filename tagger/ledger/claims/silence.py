"""Decides when a silent worker is dead, also after a change of a clock.

If the last heartbeat is older than a lease by less than FAR_MS, the clock decides. If it is older or in the future, a clock was
set, or the clocks of two processes differ. Then this process watches the heartbeat: a living worker writes one every two seconds.
If the heartbeat does not change for a whole lease, the worker is dead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FAR_MS = 120_000  # a time this far in the past means that a clock was set, not that time passed


class Watch:
    """The implausible heartbeats that this process has seen. Only the writer thread uses it."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int]] = {}  # worker → its beat, and when we saw that one first

    def dead(self, rows: Sequence[Any], now_ms: int, lease_ms: int) -> list[Any]:
        """The dead ones among the workers whose heartbeat is old or in the future. `rows`: all such workers."""
        seen, self._seen = self._seen, {}
        return [row for row in rows if self._is_dead(row, seen.get(row.id), now_ms, lease_ms)]

    def _is_dead(self, row: Any, before: tuple[int, int] | None, now_ms: int, lease_ms: int) -> bool:
        if lease_ms <= now_ms - row.beat_ms < lease_ms + FAR_MS:
            return True
        since = before[1] if before is not None and before[0] == row.beat_ms and before[1] <= now_ms else now_ms
        self._seen[row.id] = (row.beat_ms, since)
        return now_ms - since >= lease_ms
