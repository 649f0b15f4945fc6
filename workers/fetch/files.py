"""Reading a file inside a folder that a person named, and nothing outside it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tagger.errors import AddressForbidden, FetchFailed, FetchRefused, ImageTooLarge

CHUNK = 1 << 20


def read_file(location: str, root: str, max_bytes: int) -> bytes:
    """The bytes of a regular file whose real path lies in the real `root`.

    Errors: AddressForbidden outside of `root`; FetchRefused when missing, unreadable or not a regular file; ImageTooLarge.
    """
    try:
        if not root:
            raise AddressForbidden("tagger reads a file only inside a folder that was named.")
        fd = _open_without_links(root, location)
        if fd is None:
            fd = _open_resolved(root, location)
    except (FileNotFoundError, NotADirectoryError):
        raise FetchRefused("The file is not there.", "Check the path.") from None
    except (OSError, RuntimeError, ValueError) as err:  # RuntimeError: links in a circle; ValueError: a null byte
        reason = getattr(err, "strerror", None) or "not a usable path"
        raise FetchRefused(f"The file cannot be opened: {reason}.", "Check its permissions.") from None
    try:
        return _read(fd, max_bytes)
    except OSError as err:
        raise FetchFailed(f"The file cannot be read: {err.strerror}.") from err
    finally:
        os.close(fd)


def _open_without_links(root: str, location: str) -> int | None:
    """The usual case: a plain path below `root`. None where it is not, or a part of it cannot be opened: perhaps a link."""
    below = os.path.join(root, "")
    path = os.path.join(root, location)
    parts = tuple(path[len(below) :].split("/"))
    if not path.startswith(below) or any(part in ("", ".", "..") for part in parts):
        return None
    try:
        return _open_inside(root, parts)
    except (OSError, ValueError):
        return None


def _open_resolved(root: str, location: str) -> int:
    """Links followed first; they may not lead out."""
    real_root = Path(root).resolve(strict=True)
    path = Path(root, location).resolve(strict=True)
    if not path.is_relative_to(real_root):
        raise AddressForbidden(
            "The file is outside of its folder.", "Copy the file into the folder. A link may not lead out of the folder."
        )
    return _open_inside(real_root, path.relative_to(real_root).parts)


def _open_inside(root: str | Path, parts: tuple[str, ...]) -> int:
    # Component by component without following links: the path was resolved, so a link here was put in between, by an attacker.
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        flags = os.O_NONBLOCK if last else os.O_DIRECTORY  # non-blocking: opening a FIFO must not wait for a writer
        try:
            below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def _read(fd: int, max_bytes: int) -> bytes:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise FetchRefused("The path is not a regular file.", "Name an image file.")
    data = bytearray()
    while chunk := os.read(fd, CHUNK):
        data += chunk
        if len(data) > max_bytes:
            raise ImageTooLarge(f"The image is larger than {max_bytes:,} bytes.")
    return bytes(data)
