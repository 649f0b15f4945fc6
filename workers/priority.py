"""Stepping back behind every other process of the machine, so that a backfill does not slow uploads.

On Linux with automatic groups (most desktops and servers) the kernel shares the processor among *sessions*, and `nice` counts
only within one. The supervisor gives every worker a session of its own, so the group must step back too: without it,
two backfill workers took half of both cores at nice 19.
"""

from __future__ import annotations

import os
from pathlib import Path

import structlog

log = structlog.get_logger()

BACKFILL = 19  # the least there is
GROUP = Path("/proc/self/autogroup")


def step_back() -> None:
    """This process and its session, for good. Processes that it starts in sessions of their own call `follow`."""
    os.nice(BACKFILL)
    follow()


def follow() -> None:
    """Give this process's own session the niceness that the process inherited."""
    mine = os.nice(0)
    try:
        if mine > 0 and GROUP.exists():
            GROUP.write_text(str(mine))
    except OSError as err:
        log.warning("priority.not_lowered", error=err.strerror)
