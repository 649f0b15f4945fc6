"""Gives a process of the fault tests a clock of its own: the seconds in the file that TEST_CLOCK names are added to the time.

Python imports this module at its start from PYTHONPATH. A file that is changed sets the clock of every process that reads it.
"""

from __future__ import annotations

import os
import time

_real_ns = time.time_ns
_file = os.environ.get("TEST_CLOCK", "")


def _offset_ns() -> int:
    try:
        with open(_file, encoding="ascii") as file:
            return int(file.read() or 0) * 1_000_000_000
    except OSError:
        return 0


if _file:
    time.time_ns = lambda: _real_ns() + _offset_ns()
    time.time = lambda: time.time_ns() / 1_000_000_000
