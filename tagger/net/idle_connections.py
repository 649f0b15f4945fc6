"""Connections that are open and unused, kept for the next request to the same server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tagger.net.pinned import PlainConnection, TlsConnection

IDLE_SECONDS = 30.0  # an older connection is closed instead of used
MOST_PER_KEY = 8
MOST = 64  # of all keys together: each is a file descriptor

Key = tuple[str, str, bool]  # name of the pool, origin, whether private addresses were allowed


@dataclass(frozen=True)
class _Idle:
    connection: PlainConnection | TlsConnection
    since: float  # time.monotonic()


class IdleConnections:
    """Safe for many threads. A connection belongs to one thread between `take` and `give_back`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: dict[Key, list[_Idle]] = {}  # of each key the oldest first; no key has an empty list

    def take(self, key: Key) -> PlainConnection | TlsConnection | None:
        """The youngest one that is still open, or None."""
        oldest = self._clock() - IDLE_SECONDS
        while True:
            with self._lock:
                if key not in self._idle:
                    return None
                entry = self._pop(key, -1)
            if entry.since >= oldest and entry.connection.is_connected:
                return entry.connection
            entry.connection.close()

    def give_back(self, key: Key, connection: PlainConnection | TlsConnection) -> None:
        """Keeps an open connection, unless enough are kept for its key. Closes those of all keys that were idle for too long, and
        the oldest one if there are too many: a key may never be asked for again."""
        with self._lock:
            closed = self._expired()
            if connection.sock is None or len(self._idle.get(key, ())) >= MOST_PER_KEY:
                closed.append(connection)
            else:
                self._idle.setdefault(key, []).append(_Idle(connection, self._clock()))
                if sum(map(len, self._idle.values())) > MOST:
                    oldest = min(self._idle, key=lambda other: self._idle[other][0].since)
                    closed.append(self._pop(oldest, 0).connection)
        for one in closed:
            one.close()

    def _expired(self) -> list[PlainConnection | TlsConnection]:
        oldest = self._clock() - IDLE_SECONDS
        due = [key for key, entries in self._idle.items() for entry in entries if entry.since < oldest]
        return [self._pop(key, 0).connection for key in due]

    def _pop(self, key: Key, index: int) -> _Idle:
        entry = self._idle[key].pop(index)
        if not self._idle[key]:
            del self._idle[key]
        return entry

    def close(self) -> None:
        with self._lock:
            idle = [entry for entries in self._idle.values() for entry in entries]
            self._idle.clear()
        for entry in idle:
            entry.connection.close()
