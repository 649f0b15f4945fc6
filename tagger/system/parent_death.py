"""End a child process when its parent ends (PR_SET_PDEATHSIG), so that a killed supervisor leaves no process behind."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

from tagger.system.interpreter import code

PR_SET_PDEATHSIG = 1
# The flag survives exec and is lost only when the user changes. A system without it (macOS) just runs the program.
LAUNCH = (
    "import ctypes, os, sys\n"
    "if sys.platform == 'linux':\n"
    "    ctypes.CDLL(None).prctl(1, int(sys.argv[2]))\n"
    "    if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execv(sys.argv[3], sys.argv[3:])\n"
)


def die_with_parent(argv: Sequence[str], number: int = signal.SIGKILL) -> list[str]:
    """Return a command that runs `argv` and that the kernel sends signal `number` when its parent *thread* ends (Linux).

    Start the command from a thread that lives as long as the process should. `argv[0]` is an absolute path.
    Only SIGKILL ends a process that is stopped; with another signal, the next stack would find the port or the lock taken.
    """
    return code(LAUNCH, str(os.getpid()), str(int(number)), *argv)


def outlive_parent() -> None:
    """Call in a process that was started by that command: it no longer ends with its parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0)
