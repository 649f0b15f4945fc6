"""When a worker's silence is its death, whatever clocks do meanwhile.

A beat that lies a lease back, and less than FAR_MS more, is judged by the clock. One that lies further back, or ahead, says
that a clock was set, or that a process has another clock than this one: then only watching tells. A worker that lives beats
every two seconds, so its beat changes; one whose beat stays the same for a lease, before our eyes, is dead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FAR_MS = 120_000  # a moment further back than it should be tells of a clock that was set, and not of time that passed


class Watch:
    """The odd beats that this process has seen. Used by one thread at a time: the ledger's writer."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int]] = {}  # worker → its beat, and when we saw that one first

    def dead(self, rows: Sequence[Any], now_ms: int, lease_ms: int) -> list[Any]:
        """Those of the workers with an old beat, or one ahead, that are dead. `rows`: all that have one."""
        seen, self._seen = self._seen, {}
        return [row for row in rows if self._is_dead(row, seen.get(row.id), now_ms, lease_ms)]

    def _is_dead(self, row: Any, before: tuple[int, int] | None, now_ms: int, lease_ms: int) -> bool:
        if lease_ms <= now_ms - row.beat_ms < lease_ms + FAR_MS:
            return True
        since = before[1] if before is not None and before[0] == row.beat_ms and before[1] <= now_ms else now_ms
        self._seen[row.id] = (row.beat_ms, since)
        return now_ms - since >= lease_ms
