"""One process of the stack: how it is started, and how several are ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import psutil

from tagger.job import Lane
from tagger.system.children import start_child

STOPPED_SECONDS = 6.0  # a worker's lease: whoever is stopped for longer has lost its jobs, and may hold SQLite's write lock


@dataclass
class Child:
    """One process of the stack."""

    name: str
    argv: list[str]
    restart: bool = True
    lane: Lane | None = None  # of a tag worker
    on_demand: Lane | None = None  # it runs only while this lane has jobs (on_demand.py)
    metrics_port: int = 0  # 0: it serves none
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0  # monotonic
    falls: int = 0
    not_before: float = 0.0  # monotonic
    stopped: float | None = None  # monotonic: since when it was seen stopped (SIGSTOP)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def end_if_stopped(self, now: float, longest: float = STOPPED_SECONDS) -> bool:
        """Kills its process group when it has been stopped for `longest` seconds; whether it did. A debugger stops otherwise."""
        assert self.process is not None
        try:
            stopped = psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False
        if not stopped:
            self.stopped = None
        elif self.stopped is None:
            self.stopped = now
        if self.stopped is None or now - self.stopped < longest:
            return False
        self.stopped = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # with what it started in its group
        return True


def popen(argv: list[str], env: Mapping[str, str], life: int, out: IO[bytes]) -> subprocess.Popen[bytes]:
    """`life`: the read end of a pipe that only the supervisor can write to, as standard input; a worker that is stopped is woken
    by the kernel when that pipe is closed (tagger/system/parent_death.py)."""
    # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which then ends its children in order.
    return start_child(argv, env=env, stdin=life, stdout=out, stderr=out, own_session=True)


def end(children: list[Child], grace: float) -> list[str]:
    """Ask all to end, and kill those that have not after `grace` seconds; their names."""
    for child in children:
        if child.running and child.process is not None:
            child.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + grace
    killed = []
    for child in children:
        if child.process is None:
            continue
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
            killed.append(child.name)
    return killed
