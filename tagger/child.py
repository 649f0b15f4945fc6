"""One process of the stack: how it is started, and how several are ended."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO


@dataclass
class Child:
    """One process of the stack."""

    name: str
    argv: list[str]
    restart: bool = True
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0  # monotonic
    falls: int = 0
    not_before: float = 0.0  # monotonic

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


def popen(argv: list[str], env: Mapping[str, str], out: IO[bytes]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which then ends its children in order.
    return subprocess.Popen(argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)


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
