"""Where a run of `tagger describe` keeps its ledger, so that the same command goes on after Ctrl-C or a power cut."""

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
KEPT_DAYS = 30  # an interrupted run that nobody went on with


def home_of(settings: Settings, folder: Path, profile: str, locales: Sequence[str]) -> Path:
    """The same for the same pictures, options and models; another for any other."""
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
    """`home`, made where it is not there. It stays after an interruption or an error, and goes when the work is done.

    Where it cannot be made (a home on a read-only disk), the run has a temporary one and cannot be gone on with.
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
    """That the interrupted run wrote this table, so that the same command may write it again."""
    with contextlib.suppress(OSError):  # a run that cannot be gone on with has no home any more
        (home / TABLE).write_text(_mark(out), "utf-8")


def wrote(home: Path, out: Path) -> str | None:
    """The digest of the table, where it stands as the interrupted run left it; None where somebody has worked on it since."""
    try:
        same = (home / TABLE).read_text("utf-8") == _mark(out)
    except OSError:
        return None
    return whole_file.digest(out) if same else None


def _mark(out: Path) -> str:
    return json.dumps([os.fsencode(out.resolve()).hex(), whole_file.digest(out)])


def _sweep(home: Path) -> None:
    """Runs that were interrupted long ago go."""
    oldest = time.time() - KEPT_DAYS * 86_400
    for other in home.parent.iterdir():
        with contextlib.suppress(OSError):
            if other != home and other.stat().st_mtime < oldest and read_state(other) is None:
                shutil.rmtree(other, ignore_errors=True)
