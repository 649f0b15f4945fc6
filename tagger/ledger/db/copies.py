"""A copy of an SQLite ledger that is in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from tagger.errors import BadRequest, StorageUnavailable


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy the ledger at `source` to a new file that only its owner may read.

    Errors: BadRequest if `target` cannot be created, StorageUnavailable if the copy fails.
    """
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as err:
        raise BadRequest(f"{target} cannot be created: {err.strerror}.", "Name a new file in a folder that exists.") from err
    try:
        with closing(sqlite3.connect(source)) as ledger, closing(sqlite3.connect(target)) as copy:
            ledger.backup(copy)
    except sqlite3.Error as err:
        target.unlink(missing_ok=True)  # an incomplete copy is useless
        raise StorageUnavailable(
            f"The copy {target} could not be written: {err}.", "Free space on the disk, or check the ledger with `tagger doctor`."
        ) from err
