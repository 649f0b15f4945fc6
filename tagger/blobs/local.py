"""Uploaded bytes in a local folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tagger.blobs.base import Keep
from tagger.blobs.keys import KEY, PAGE, checked, new_key
from tagger.errors import FetchFailed, NotFound, StorageUnavailable

OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})  # the process or the machine is short of something


class LocalBlobs:
    """Many processes may use the folder at once. Files have mode 0600, in 256 subfolders by the first byte of the hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"  # same file system as the rest: the rename is atomic
        with _storage():
            self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, data: bytes) -> str:
        key = new_key(data)
        part = self._incoming / key
        target = self._path(key)
        with _storage():
            try:
                with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", buffering=0) as file:
                    _write_all(file.fileno(), data)
                    os.fsync(file.fileno())
                if not target.parent.is_dir():
                    target.parent.mkdir(exist_ok=True, mode=0o700)
                    _sync_folder(self.folder)
                part.rename(target)
                _sync_folder(target.parent)
            except OSError:
                part.unlink(missing_ok=True)
                raise
        return key

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with _storage():
            try:
                return path.read_bytes()
            except OSError as err:
                self._incoming.stat()  # fails too where the whole store is away, such as a disk that is not mounted
                if isinstance(err, FileNotFoundError):
                    raise NotFound("The uploaded bytes are no longer stored.") from None
                if err.errno in OURS:
                    raise
                # Only these bytes fail. As StorageUnavailable the job would be retried for ever without a charge.
                raise FetchFailed(f"The uploaded bytes cannot be read: {err.strerror}.", "Send the bytes again.") from err

    def delete(self, key: str) -> None:
        with _storage():
            self._path(key).unlink(missing_ok=True)

    def sweep(self, older_than_ms: int, keep: Keep) -> int:
        removed = 0
        with _storage():
            for page in self._old_keys(older_than_ms):
                wanted = set(keep(page))
                for key in page:
                    if key not in wanted:
                        self._path(key).unlink(missing_ok=True)
                        removed += 1
            for part in self._incoming.iterdir():  # left by a process that died while writing
                if _older(part, older_than_ms):
                    part.unlink(missing_ok=True)
        return removed

    def _old_keys(self, older_than_ms: int) -> Iterator[list[str]]:
        for shard in sorted(self.folder.glob("[0-9a-f][0-9a-f]")):
            keys = sorted(p.name for p in shard.iterdir() if KEY.fullmatch(p.name) and _older(p, older_than_ms))
            for start in range(0, len(keys), PAGE):
                yield keys[start : start + PAGE]

    def _path(self, key: str) -> Path:
        return self.folder / checked(key)[:2] / key


def _older(path: Path, than_ms: int) -> bool:
    try:
        return path.stat().st_mtime_ns // 1_000_000 < than_ms
    except FileNotFoundError:  # another sweep was quicker
        return False


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _storage() -> Iterator[None]:
    try:
        yield
    except OSError as err:
        full = err.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = "The disk for image bytes is full." if full else f"The folder for image bytes failed: {err.strerror}."
        raise StorageUnavailable(reason) from err
