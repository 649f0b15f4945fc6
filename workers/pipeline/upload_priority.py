"""Courtesy between the lanes of one machine: while an upload is in hand here, a backfill begins nothing.

Niceness alone is not enough: an image that a backfill works on holds caches, memory bandwidth and now and then the ledger's lock.
The upload workers hold a shared lock on a file in the home; a lock dies with its process. Nobody ever waits for the lock
itself, and a backfill waits for at most PATIENCE_SECONDS before each step of an image (its claim, the model, its writing), so
that it goes on, slowly, under uploads without end. Before the writing, since a backfill that is stopped for an upload inside
a transaction keeps SQLite's lock.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from tagger.job import Lane

log = structlog.get_logger()

FILE = "uploads.lock"
PATIENCE_SECONDS = 2.0
LOOK_SECONDS = 0.02  # how often a backfill looks again


class Uploads:
    """The uploads in the hands of the workers that share a home. One object per process; thread-safe."""

    def __init__(self, home: Path) -> None:
        """Where the file cannot be made there is no courtesy: then every lane works as if it were alone."""
        self._turn = threading.Lock()
        self._images = 0
        self._held = False
        self._fd = -1
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(home / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            log.warning("courtesy.none", error=err.strerror)

    @contextmanager
    def in_hand(self) -> Iterator[None]:
        """An upload worker's, around each image."""
        with self._turn:
            self._images += 1
            self._held = self._held or self._locked(fcntl.LOCK_SH)
        try:
            yield
        finally:
            with self._turn:
                self._images -= 1
                if self._held and not self._images:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
                    self._held = False

    def under_way(self) -> bool:
        """A backfill worker's question: has any process of this home an upload in hand?"""
        with self._turn:
            if self._fd < 0:
                return False
            if not self._locked(fcntl.LOCK_EX):
                return True  # or another backfill is just asking: then the next look tells
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            return False

    def give_way(self, stopping: threading.Event, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Wait until no upload is in hand, for at most PATIENCE_SECONDS, or until `stopping`."""
        until = clock() + PATIENCE_SECONDS
        while self.under_way() and clock() < until and not stopping.wait(LOOK_SECONDS):
            pass

    def close(self) -> None:
        with self._turn:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _locked(self, kind: int) -> bool:
        """Never waits: an upload that meets a question goes on without the lock."""
        if self._fd < 0:
            return False
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


class Polite:
    """What a worker's lane owes the others of its machine: an upload says that it is there, a backfill gives way."""

    def __init__(self, home: Path | None, lane: Lane, stopping: threading.Event) -> None:
        """`home`: None where the models have a device of their own: there a backfill works in what uploads leave of it."""
        self._lane = lane
        self._stopping = stopping
        self._uploads = Uploads(home) if home is not None and lane != "solo" else None

    def give_way(self) -> None:
        if self._uploads is not None and self._lane == "backfill":
            self._uploads.give_way(self._stopping)

    @contextmanager
    def around(self) -> Iterator[None]:
        """Around each image, its claim included."""
        if self._uploads is not None and self._lane == "upload":
            with self._uploads.in_hand():
                yield
        else:
            self.give_way()
            yield
