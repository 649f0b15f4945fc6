"""Files that are written whole or not at all: under another name in the same folder first, and then moved to their place."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path


def create(place: Path, content: bytes, mode: int = 0o666) -> None:
    """A new file; the umask narrows `mode`. Errors: FileExistsError where anything has that name; OSError."""
    draft = _draft(place.parent, content, mode)
    try:
        _move_to_free(draft, place)
    finally:
        draft.unlink(missing_ok=True)


def replace(place: Path, content: bytes) -> None:
    """In place of what is there. A link is followed, and the file keeps its permissions. Errors: OSError."""
    real = Path(os.path.realpath(place))
    draft = _draft(real.parent, content)
    try:
        with contextlib.suppress(FileNotFoundError):
            draft.chmod(stat.S_IMODE(real.stat().st_mode))
        draft.replace(real)
    finally:
        draft.unlink(missing_ok=True)


def check_writable(place: Path) -> None:
    """Whether a file could be written there. It touches no file that exists. Errors: OSError."""
    with contextlib.suppress(FileNotFoundError):
        place.lstat()  # a name that is too long
    _draft(Path(os.path.realpath(place)).parent, b"").unlink()


def digest(place: Path) -> str | None:
    """SHA-256 of a file; None where none can be read."""
    try:
        return hashlib.sha256(place.read_bytes()).hexdigest()
    except OSError:
        return None


def _draft(folder: Path, content: bytes, mode: int = 0o666) -> Path:
    """A hidden file under a name that nobody has: it follows no link, and takes no other file's place."""
    draft = folder / f".tagger-{secrets.token_hex(8)}.part"
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(number, "wb") as file:
            file.write(content)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _move_to_free(draft: Path, place: Path) -> None:
    try:
        os.link(draft, place, follow_symlinks=False)  # fails where the name is taken, in one step
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(place):
            raise FileExistsError(f"{place} exists") from None
        draft.rename(place)
