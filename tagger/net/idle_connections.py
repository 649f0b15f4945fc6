"""Connections that are open and unused, kept for the next request to the same server."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass

from tagger.net.pinned import PlainConnection, TlsConnection

IDLE_SECONDS = 30.0  # an older connection is closed instead of used
MOST_PER_KEY = 8

Key = tuple[str, str, bool]  # name of the pool, origin, whether private addresses were allowed


@dataclass(frozen=True)
class _Idle:
    connection: PlainConnection | TlsConnection
    since: float  # time.monotonic()


class IdleConnections:
    """Safe for many threads. A connection belongs to one thread between `take` and `give_back`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: defaultdict[Key, list[_Idle]] = defaultdict(list)

    def take(self, key: Key) -> PlainConnection | TlsConnection | None:
        """The youngest one that is still open, or None."""
        oldest = time.monotonic() - IDLE_SECONDS
        while True:
            with self._lock:
                entries = self._idle[key]
                if not entries:
                    return None
                entry = entries.pop()
            if entry.since >= oldest and entry.connection.is_connected:
                return entry.connection
            entry.connection.close()

    def give_back(self, key: Key, connection: PlainConnection | TlsConnection) -> None:
        """Keeps an open connection, or closes it when enough are kept."""
        with self._lock:
            entries = self._idle[key]
            if connection.sock is not None and len(entries) < MOST_PER_KEY:
                entries.append(_Idle(connection, time.monotonic()))
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            idle = [entry for entries in self._idle.values() for entry in entries]
            self._idle.clear()
        for entry in idle:
            entry.connection.close()
