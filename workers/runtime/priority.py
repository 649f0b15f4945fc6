"""What a worker asks of the kernel's scheduler: a backfill steps back behind every other process, so that it does not slow
uploads; and models on the processor are left alone while they compute. Where all processors are taken by others, that leaves a
backfill about a hundredth of them, too little for its beats: so one that serves no uploads beside it does not step back.

On Linux with automatic groups (most desktops and servers) the kernel shares the processor among *sessions*, and `nice` counts
only within one. The supervisor gives every worker a session of its own, so the group must step back too: without it,
two backfill workers took half of both cores at nice 19.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger()

BACKFILL = 19  # the least there is
GROUP = Path("/proc/self/autogroup")


def step_back() -> None:
    """This process, and its session if it leads one, for good. What it starts in sessions of their own calls `follow`."""
    os.nice(BACKFILL)
    follow()


def compute() -> None:
    """For the calling thread, and all threads and processes that it starts: one that wakes waits for its turn, instead of
    interrupting the one that computes, whose caches it would empty (Linux's SCHED_BATCH).
    """
    if sys.platform == "linux":
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        except OSError as err:
            log.warning("priority.not_batch", error=err.strerror)


class Place:
    """The processor of a model's thread: its own while a backlog waits, where its caches are warm; else any that is free.

    Moved from one to the other by the kernel, which evens out the threads around it, an image took a twentieth longer.
    """

    def __init__(self, number: int | None, backlog: Callable[[], bool]) -> None:
        """`number`: of those that the process may use, from 0 on; None: any. Only for workers of which there is one for each
        processor: else two might share one while another is idle."""
        self._usable = os.sched_getaffinity(0) if sys.platform == "linux" else set()
        self._own = {sorted(self._usable)[number]} if number is not None and number < len(self._usable) else self._usable
        self._backlog = backlog
        self._held = self._usable

    def take(self) -> None:
        """By the model's thread, before each image."""
        wanted = self._own if self._backlog() else self._usable
        if wanted != self._held:
            self._held = wanted
            try:
                os.sched_setaffinity(0, wanted)
            except OSError as err:
                log.warning("priority.not_placed", error=err.strerror)


def follow() -> None:
    """Give this process's session the niceness that the process inherited, if it leads that session.

    One that it shares with others keeps its place: a group stays nice when its process has ended, so that a worker started by
    hand would slow its terminal for good.
    """
    mine = os.nice(0)
    try:
        if mine > 0 and os.getsid(0) == os.getpid() and GROUP.exists():
            GROUP.write_text(str(mine))
    except OSError as err:
        log.warning("priority.not_lowered", error=err.strerror)
