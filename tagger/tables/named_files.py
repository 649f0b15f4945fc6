"""Files by the names that a table gives them: a Mac writes `é` as two characters where others write one."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath


def find(folder: Path, name: str) -> Path | None:
    """The file of that name, or the only one whose name differs in its Unicode form alone; None where there is none."""
    exact = folder / name
    if exact.is_file():
        return exact
    place = folder
    for part in PurePosixPath(name).parts:
        below = _twin(place, part)
        if below is None:
            return None
        place = below
    return place if place.is_file() else None


def same(name: str) -> str:
    """What two names have in common that differ in their Unicode form alone."""
    return unicodedata.normalize("NFC", name)


def _twin(place: Path, part: str) -> Path | None:
    if part in ("/", "..") or (place / part).exists():
        return place / part
    try:
        twins = [entry for entry in place.iterdir() if same(entry.name) == same(part)]
    except OSError:
        return None
    return twins[0] if len(twins) == 1 else None


def relative(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Each name → how the file is called inside `folder`, for those that are there."""
    paths = {name: path for name in names if (path := find(folder, name)) is not None}
    return {name: path.relative_to(folder).as_posix() for name, path in paths.items()}
