"""CPU scheduling of a worker: niceness, batch scheduling, and one CPU per model thread.

A backfill lowers its priority below every other process, so that it does not slow uploads. Under full load by others it then
gets about one percent of the CPUs, too little for its heartbeat; so a backfill with no uploads beside it keeps its priority.

On Linux with automatic groups (most desktops and servers) the kernel shares the CPUs among *sessions*, and `nice` counts
only within one. The supervisor starts every worker in its own session, so the session's group must be niced too: without
that, two backfill workers took half of both cores at nice 19.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger()

LOWEST_PRIORITY = 19
GROUP = Path("/proc/self/autogroup")


def lower_priority() -> None:
    """Lowers this process, and its session if it leads one, for good. A child in a session of its own calls
    `lower_session_priority`.
    """
    os.nice(LOWEST_PRIORITY)
    lower_session_priority()


def use_batch_scheduling() -> None:
    """Sets Linux's SCHED_BATCH for the calling thread and all threads and processes that it starts.

    A thread that wakes then waits for its turn. It does not interrupt a computing thread, which would lose its caches.
    """
    if sys.platform == "linux":
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        except OSError as err:
            log.warning("priority.batch_refused", error=err.strerror)


class CpuPin:
    """Pins a model's thread to its own CPU, where its caches are warm, while a backlog waits; else to any free CPU.

    Without the pin the kernel moved the thread to balance the load, and an image took five percent longer.
    """

    def __init__(self, number: int | None, backlog: Callable[[], bool]) -> None:
        """`number`: index among the CPUs that the process may use; None: never pin. Give numbers only if there is one worker
        per CPU; otherwise two workers could share one CPU while another is idle.
        """
        self._usable = os.sched_getaffinity(0) if sys.platform == "linux" else set()
        self._own = {sorted(self._usable)[number]} if number is not None and number < len(self._usable) else self._usable
        self._backlog = backlog
        self._current = self._usable

    def update(self) -> None:
        """Called by the model's thread before each image."""
        wanted = self._own if self._backlog() else self._usable
        if wanted != self._current:
            self._current = wanted
            try:
                os.sched_setaffinity(0, wanted)
            except OSError as err:
                log.warning("priority.pin_refused", error=err.strerror)


def lower_session_priority() -> None:
    """Gives this process's session the niceness that the process inherited, if the process leads that session.

    A shared session keeps its priority: a group stays nice after its process ended, so a worker started by hand would slow
    its terminal for good.
    """
    niceness = os.nice(0)
    try:
        if niceness > 0 and os.getsid(0) == os.getpid() and GROUP.exists():
            GROUP.write_text(str(niceness))
    except OSError as err:
        log.warning("priority.session_refused", error=err.strerror)
