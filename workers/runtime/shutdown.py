"""How a worker process ends: asked by a signal, with time to finish what runs, and never longer than the grace period."""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from types import FrameType

import structlog

from tagger.system.parent_death import PR_SET_PDEATHSIG
from workers.runtime.hang_up import signal_at_hang_up

log = structlog.get_logger()

GRACE_SECONDS = 25.0  # the supervisor, as Kubernetes by default, kills after 30
LAST_SECONDS = 3.0  # for giving back what did not finish


class Ending:
    """SIGTERM and SIGINT ask the process to end; a second one makes it hurry. SIGHUP, which is also how the kernel tells
    of the parent's death, asks once.
    """

    def __init__(
        self,
        on_asked: Callable[[], None],
        give_back: Callable[[], None],
        *,
        grace: float = GRACE_SECONDS,
        exit_now: Callable[[int], None] = os._exit,
    ) -> None:
        """`on_asked` runs in the signal handler. `give_back` runs when time is up, and may take LAST_SECONDS."""
        self.asked = threading.Event()
        self._hurry = threading.Event()
        self._done = threading.Event()
        self._on_asked = on_asked
        self._give_back = give_back
        self._grace = grace
        self._exit_now = exit_now

    def install(self) -> None:
        """In the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._handle)
        threading.Thread(target=self._guard, name="ending", daemon=True).start()

    def done(self) -> None:
        """The process ends by itself now."""
        self._done.set()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.asked.is_set():
            if number != signal.SIGHUP:
                self._hurry.set()
            return
        self.asked.set()
        self._on_asked()

    def _guard(self) -> None:
        self.asked.wait()
        log.info("worker.ending", grace_s=self._grace)
        self._hurry.wait(self._grace)
        if self._done.is_set():
            return
        log.warning("worker.hurries", hurried=self._hurry.is_set())
        last = threading.Thread(target=self._give_back, name="give-back", daemon=True)
        last.start()
        last.join(LAST_SECONDS)
        self._exit_now(0)


def end_with_parent(parent: int) -> None:
    """From now on the kernel sends SIGHUP when the thread of process `parent` that started this one ends (Linux).

    Exits at once if it is gone already. Where standard input is a pipe that the parent holds, this process is also woken if it
    is stopped then: without that it would keep its port, its memory and its jobs' bytes for as long as nobody continues it.
    """
    if sys.platform == "linux":
        if stat.S_ISFIFO(os.fstat(0).st_mode):
            signal_at_hang_up(0, signal.SIGCONT)  # first: until SIGHUP takes its place, the parent's death kills this process
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGHUP)
    if os.getppid() != parent:
        sys.exit(0)
