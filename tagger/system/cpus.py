"""How many processors this process may use: a container on a large machine is seldom given all of it."""

from __future__ import annotations

import math
import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")


def processors() -> int:
    """Those that the kernel lets it onto, and no more than its container's share of their time is worth."""
    share = quota()
    return allowed() if share is None else max(1, min(allowed(), math.ceil(share)))


def allowed() -> int:
    """Those that the kernel lets this process onto, however little of their time is its own."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quota(groups: Path = GROUPS, own: Path = OWN_GROUP) -> float | None:
    """Processors' worth of time that Linux's control groups (version 2) grant: the least of the own group's and those around it.

    None where nothing is limited, or there are no such groups.
    """
    try:
        path = next(line.removeprefix("0::/") for line in own.read_text().splitlines() if line.startswith("0::/"))
    except (OSError, StopIteration):
        return None
    group = groups.joinpath(*(part for part in path.split("/") if part != ".."))  # those above a container's own are not shown
    around = [group, *group.parents]
    shares = [share for place in around if place.is_relative_to(groups) and (share := _share(place / "cpu.max")) is not None]
    return min(shares, default=None)


def _share(limit: Path) -> float | None:
    """Of a file such as `150000 100000` (microseconds of each period) or `max 100000`."""
    try:
        granted, period = limit.read_text().split()
        return None if granted == "max" else int(granted) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None  # the outermost group has no such file
