"""How a process learns that its parent has ended, also a parent that was killed, and also while it is itself stopped.

There are three ways, all of the kernel's, and nothing else in tagger or workers has one of its own:

- `die_with_parent`: a command that is killed with its parent. Every child is started like that (`children.py`).
- `end_with_parent`: a worker that has started gets SIGHUP instead, so that it finishes its work.
- `die_with_pipe`: a decoder, which any thread of its parent may have started, is killed when a pipe is closed.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import stat
import sys
from collections.abc import Sequence

from tagger.system.interpreter import code

PR_SET_PDEATHSIG = 1
F_SETSIG = 10  # Linux; Python's fcntl has no name for it
# The flag survives exec and is lost only when the user changes. A system without it (macOS) just runs the program.
LAUNCH = (
    "import ctypes, os, sys\n"
    "if sys.platform == 'linux':\n"
    "    ctypes.CDLL(None).prctl(1, 9)\n"
    "    if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


def die_with_parent(argv: Sequence[str]) -> list[str]:
    """Return a command that runs `argv` and that the kernel kills when its parent *thread* ends (Linux).

    Start the command from a thread that lives as long as the process should. `argv[0]` is an absolute path.
    Only SIGKILL ends a process that is stopped; with another signal, the next stack would find the port or the lock taken.
    """
    return code(LAUNCH, str(os.getpid()), *argv)


def end_with_parent(parent: int) -> None:
    """Makes the kernel send SIGHUP, instead of SIGKILL, when the thread of process `parent` that started this one ends (Linux).

    Exits at once if the parent is gone already. If standard input is a pipe that the parent holds, the kernel also continues this
    process in case it is stopped; otherwise a stopped process would keep its port and its memory until someone continued it.
    """
    if sys.platform == "linux" and stat.S_ISFIFO(os.fstat(0).st_mode):
        _signal_at_hang_up(0, signal.SIGCONT)  # first: until SIGHUP takes its place, the parent's death kills this process
    _at_parent_death(signal.SIGHUP)
    if os.getppid() != parent:
        sys.exit(0)


def die_with_pipe(pipe: int) -> None:
    """From now on the kernel kills this process when the pipe's other end is closed, and no longer when its parent ends."""
    _signal_at_hang_up(pipe, signal.SIGKILL)
    _at_parent_death(0)
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    if poll.poll(0):  # it was closed while we started
        os._exit(0)


def _at_parent_death(number: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))


def _signal_at_hang_up(pipe: int, number: int) -> None:
    """From now on signal `number` comes when the pipe's other end is closed, also to a process inside a C library.

    SIGKILL and SIGCONT reach one that is stopped, too. Elsewhere than on Linux the signal is SIGIO.
    """
    if sys.platform == "linux":
        # whom to tell is kept with the open file, which all processes share that inherited it: so one of our own, left open
        pipe = os.open(f"/proc/self/fd/{pipe}", os.O_RDONLY | os.O_CLOEXEC)
        fcntl.fcntl(pipe, F_SETSIG, number)
    else:
        signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
