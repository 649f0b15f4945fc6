"""Processes that end with the one that started them, so that nothing is left behind when a supervisor is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
# The flag survives exec; it is lost only on a change of user. Where there is no such flag (macOS), the program just runs.
LAUNCH = (
    "import ctypes, os, sys\n"
    "if sys.platform == 'linux':\n"
    "    ctypes.CDLL(None).prctl(1, int(sys.argv[2]))\n"
    "    if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execv(sys.argv[3], sys.argv[3:])\n"
)


def leashed(argv: Sequence[str], number: int = signal.SIGKILL) -> list[str]:
    """The command that runs `argv` and lets the kernel send signal `number` when the *thread* that started it ends (Linux).

    Only SIGKILL ends a process that is stopped, too: any other would wait, and the next stack would find its port or its lock
    taken. `argv[0]` is an absolute path. Start it from a thread that lives as long as the process should.
    """
    return [sys.executable, "-S", "-E", "-c", LAUNCH, str(os.getpid()), str(int(number)), *argv]


def unleash() -> None:
    """In the process that was started so: from now on it ends with nobody."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0)
