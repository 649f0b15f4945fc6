"""Uploads go before backfills: while a worker of this machine processes an upload, its backfill workers start nothing.

Niceness alone is not enough: a backfill's image uses caches and memory bandwidth, and sometimes holds the ledger's lock.
Upload workers hold a shared `flock` on a file in the home; the kernel releases it when the process ends. No process blocks on
the lock. A backfill worker waits at most LONGEST_WAIT_SECONDS before each step of an image (claim, model, write), so a backfill
goes on slowly even if uploads never stop. It waits before the write, not during it, because a process that pauses inside a
transaction keeps SQLite's lock.
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
LONGEST_WAIT_SECONDS = 2.0
POLL_SECONDS = 0.02  # how often a waiting backfill worker tests the lock


class Uploads:
    """The uploads that the workers of one home process now. One object per process; thread-safe."""

    def __init__(self, home: Path) -> None:
        """If the lock file cannot be created, uploads get no priority: every lane works as if it were alone."""
        self._turn = threading.Lock()
        self._images = 0
        self._held = False
        self._fd = -1
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(home / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            log.warning("upload_priority.disabled", error=err.strerror)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """An upload worker enters this for each image."""
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

    def any_upload(self) -> bool:
        """Whether any process of this home is processing an upload. Asked by backfill workers."""
        with self._turn:
            if self._fd < 0:
                return False
            if not self._locked(fcntl.LOCK_EX):
                return True  # or another backfill worker is testing the lock; the next test tells them apart
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            return False

    def wait_for_uploads(self, stopping: threading.Event, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Waits until no upload is in progress or `stopping` is set, at most LONGEST_WAIT_SECONDS."""
        until = clock() + LONGEST_WAIT_SECONDS
        while self.any_upload() and clock() < until and not stopping.wait(POLL_SECONDS):
            pass

    def close(self) -> None:
        with self._turn:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _locked(self, kind: int) -> bool:
        """Never blocks: if a backfill worker is testing the lock just now, the upload goes on without it."""
        if self._fd < 0:
            return False
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


class YieldToUploads:
    """Applies the rule for one worker's lane: an upload worker holds the lock, a backfill worker waits for it."""

    def __init__(self, home: Path | None, lane: Lane, stopping: threading.Event) -> None:
        """`home`: None if the models run on their own device; a backfill then uses what uploads leave of that device."""
        self._lane = lane
        self._stopping = stopping
        self._uploads = Uploads(home) if home is not None and lane != "solo" else None

    def wait_for_uploads(self) -> None:
        if self._uploads is not None and self._lane == "backfill":
            self._uploads.wait_for_uploads(self._stopping)

    @contextmanager
    def around(self) -> Iterator[None]:
        """Enter this for each image, its claim included."""
        if self._uploads is not None and self._lane == "upload":
            with self._uploads.hold():
                yield
        else:
            self.wait_for_uploads()
            yield
