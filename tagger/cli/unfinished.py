"""The ledger of a run of `tagger describe`. It stays after Ctrl-C or a power cut, so that the same command can continue."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tagger.errors import SettingsError
from tagger.settings import Settings
from tagger.system import whole_file
from tagger.system.home import make_home, read_state

FOLDER = "unfinished"
TABLE = "table.json"
KEPT_DAYS = 30  # how long an interrupted run stays


def home_of(settings: Settings, folder: Path, profile: str, locales: Sequence[str]) -> Path:
    """The same folder for the same images, options and models; else another one."""
    asked = [
        str(folder.resolve()),
        profile,
        list(locales),
        settings.caption,
        settings.embed,
        settings.check,
        str(settings.models),
    ]
    name = hashlib.sha256(json.dumps(asked).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return settings.home / FOLDER / name


@contextlib.contextmanager
def kept(home: Path) -> Iterator[Path]:
    """`home`, created if it does not exist. It stays after an interruption or an error, and is deleted when the work is done.

    If it cannot be created (a read-only disk), the run gets a temporary folder and cannot be continued.
    """
    try:
        make_home(home)
    except SettingsError:
        with tempfile.TemporaryDirectory(prefix="tagger-") as other:
            yield Path(other).resolve()
        return
    _sweep(home)
    yield home
    shutil.rmtree(home, ignore_errors=True)


def remember(home: Path, out: Path) -> None:
    """Store that the interrupted run wrote this table, so that the same command may overwrite it."""
    with contextlib.suppress(OSError):  # a run that cannot be continued has no home
        (home / TABLE).write_text(_mark(out), "utf-8")


def wrote(home: Path, out: Path) -> str | None:
    """The digest of the table if it is unchanged since the interrupted run; None if it was changed."""
    try:
        same = (home / TABLE).read_text("utf-8") == _mark(out)
    except OSError:
        return None
    return whole_file.digest(out) if same else None


def _mark(out: Path) -> str:
    return json.dumps([os.fsencode(out.resolve()).hex(), whole_file.digest(out)])


def _sweep(home: Path) -> None:
    """Delete runs that were interrupted long ago."""
    oldest = time.time() - KEPT_DAYS * 86_400
    for other in home.parent.iterdir():
        with contextlib.suppress(OSError):
            if other != home and other.stat().st_mtime < oldest and read_state(other) is None:
                shutil.rmtree(other, ignore_errors=True)
