"""A device for tests and benchmarks that several processes share as they would a GPU: one batch at a time.

The device is a lock file. Whoever holds the exclusive lock uses it, and appends one line per use to `<lock>.log`:
`pid start_ns end_ns images`, times by CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Use:
    """One batch on the device."""

    pid: int
    start_ns: int
    end_ns: int
    images: int


class FakeDevice:
    def __init__(self, lock_path: Path | None) -> None:
        """`lock_path`: shared by the processes that share the device; None: a device of one's own, unrecorded."""
        self._lock = self._log = -1
        if lock_path is not None:
            flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
            self._lock = os.open(lock_path, flags, 0o644)
            self._log = os.open(log_path(lock_path), flags | os.O_APPEND, 0o644)

    @contextmanager
    def use(self, images: int) -> Iterator[None]:
        """Wait for the device, hold it during the body, and record the time held."""
        if self._lock < 0:
            yield
            return
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        start = time.monotonic_ns()
        try:
            yield
        finally:
            line = f"{os.getpid()} {start} {time.monotonic_ns()} {images}\n"
            os.write(self._log, line.encode())  # one short write in append mode is whole
            fcntl.flock(self._lock, fcntl.LOCK_UN)


def log_path(lock_path: Path) -> Path:
    return lock_path.with_name(lock_path.name + ".log")


def read_uses(lock_path: Path) -> list[Use]:
    """All uses so far, in order of their start; uses never overlap."""
    uses = []
    for line in log_path(lock_path).read_text("ascii").splitlines():
        pid, start, end, images = map(int, line.split())
        uses.append(Use(pid=pid, start_ns=start, end_ns=end, images=images))
    return sorted(uses, key=lambda use: use.start_ns)


def busy_share(uses: Sequence[Use], start_ns: int, end_ns: int) -> float:
    """Share of the time between the two instants during which the device was in use, over all processes."""
    busy = sum(max(0, min(use.end_ns, end_ns) - max(use.start_ns, start_ns)) for use in uses)
    return busy / (end_ns - start_ns)
