"""A process is stopped (SIGSTOP), as a debugger or a sleeping machine does it, outside a transaction of the ledger's.

Stopped inside one it would keep SQLite's write lock from everybody, which is a fault of its own (Q16).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from pathlib import Path

DEADLINE_SECONDS = 30.0


def writable(ledger: Path, seconds: float) -> bool:
    """Whether SQLite's write lock comes free within so many seconds."""
    with contextlib.closing(sqlite3.connect(ledger, timeout=seconds, isolation_level=None)) as probe:
        try:
            probe.execute("BEGIN IMMEDIATE")
            probe.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
    return True


def stop_outside(pid: int, ledger: Path) -> None:
    """Stops a child of ours, so that others may still write to this SQLite ledger."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # until its last thread stands still
        if writable(ledger, 1):
            return
        assert time.monotonic() < deadline, f"process {pid} was inside a transaction whenever it was stopped"
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.03)  # it must run for a while: stopped again at once, it would stand at the same place
