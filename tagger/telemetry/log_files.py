"""Log files of a stack: set aside at a size, so that they cannot fill the disk.

The children write to them by an inherited descriptor, also what no logger knows of: a traceback of the interpreter, a library's
own words. So a file is copied and emptied in place. All of them are open for appending, and go on at the file's new end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

OLDER = 2  # files kept of each log, beside the one that is written


def cap(files: Iterable[Path], most_bytes: int) -> list[Path]:
    """Set aside each file that has grown to `most_bytes`; returns those. Errors: OSError."""
    full = [file for file in files if file.is_file() and file.stat().st_size >= most_bytes]
    for file in full:
        _set_aside(file)
    return full


def _set_aside(file: Path) -> None:
    for number in range(OLDER, 1, -1):
        if _older(file, number - 1).exists():
            _older(file, number - 1).replace(_older(file, number))
    try:
        shutil.copyfile(file, _older(file, 1))
    except OSError:  # no room for a copy is all the more a reason to empty the file
        _older(file, 1).unlink(missing_ok=True)
    os.truncate(file, 0)


def _older(file: Path, number: int) -> Path:
    return file.with_name(f"{file.name}.{number}")
