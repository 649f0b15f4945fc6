"""A signal from the kernel when the last writer of a pipe is gone: how a process learns of another's death, however it died."""

from __future__ import annotations

import fcntl
import os
import signal
import sys

F_SETSIG = 10  # Linux; Python's fcntl has no name for it


def signal_at_hang_up(pipe: int, number: int) -> int:
    """From now on signal `number` comes when the pipe's other end is closed, also to a process inside a C library.

    SIGKILL and SIGCONT reach one that is stopped, too. Elsewhere than on Linux the signal is SIGIO. Returns the descriptor that
    has to stay open.
    """
    if sys.platform == "linux":
        # whom to tell is kept with the open file, which all processes share that inherited it: so one of our own
        pipe = os.open(f"/proc/self/fd/{pipe}", os.O_RDONLY | os.O_CLOEXEC)
        fcntl.fcntl(pipe, F_SETSIG, number)
    else:
        signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    return pipe
