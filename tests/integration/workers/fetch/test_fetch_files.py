"""Files inside a named folder, and uploaded blobs."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tagger.asset import ImageSource
from tagger.blobs.local import LocalBlobs
from tagger.errors import AddressForbidden, FetchFailed, FetchRefused, ImageTooLarge, NotFound, StorageUnavailable
from workers.fetch.fetch import Fetched, FetchPolicy, fetch

BODY = b"bytes of a picture"


def get(kind: str, location: str, root: str = "", *, blobs: LocalBlobs | None = None, max_bytes: int = 1000) -> Fetched:
    source = ImageSource(kind=kind, location=location, root=root)  # type: ignore[arg-type]
    return fetch(source, policy=FetchPolicy(max_bytes=max_bytes), deadline=time.monotonic() + 10, blobs=blobs)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.jpg").write_bytes(BODY)
    (tmp_path / "secret.txt").write_bytes(b"secret")
    return folder


def test_a_file_inside_the_folder_is_read(root: Path) -> None:
    for location in ("deep/a.jpg", str(root / "deep" / "a.jpg"), "deep/../deep/a.jpg"):
        fetched = get("file", location, str(root))
        assert fetched.data == BODY
        assert fetched.sha256 == hashlib.sha256(BODY).hexdigest()


def test_links_may_lead_anywhere_inside_and_nowhere_outside(root: Path, tmp_path: Path) -> None:
    (root / "in.jpg").symlink_to(root / "deep" / "a.jpg")
    (root / "out.jpg").symlink_to(tmp_path / "secret.txt")
    (root / "up").symlink_to(tmp_path)
    assert get("file", "in.jpg", str(root)).data == BODY
    for location in ("out.jpg", "up/secret.txt", "../secret.txt", str(tmp_path / "secret.txt"), "/etc/passwd"):
        with pytest.raises(AddressForbidden):
            get("file", location, str(root))
    with pytest.raises(AddressForbidden):
        get("file", str(root / "deep" / "a.jpg"))


def test_what_is_no_regular_file_is_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    (root / "circle").symlink_to(root / "circle")
    for location in ("pipe.jpg", "deep", "", "circle", "missing.jpg", "deep/a.jpg/b", "nul\0.jpg"):
        with pytest.raises(FetchRefused) as caught:
            get("file", location, str(root))
        assert not caught.value.retryable


def test_a_file_over_the_cap_is_refused(root: Path) -> None:
    assert get("file", "deep/a.jpg", str(root), max_bytes=len(BODY)).data == BODY
    with pytest.raises(ImageTooLarge):
        get("file", "deep/a.jpg", str(root), max_bytes=len(BODY) - 1)


def test_a_blob_comes_back_until_it_is_deleted(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    key = blobs.put(BODY)
    assert get("blob", key, blobs=blobs).data == BODY
    blobs.delete(key)
    blobs.delete(key)
    with pytest.raises(FetchRefused, match="no longer stored"):
        get("blob", key, blobs=blobs)
    with pytest.raises(FetchRefused):
        get("blob", key)


def test_equal_bytes_have_keys_of_their_own_and_are_private(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    first, second = blobs.put(BODY), blobs.put(BODY)
    assert first != second
    blobs.delete(first)
    assert blobs.get(second) == BODY
    (path,) = [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "a" * 64, "A" * 64 + "-" + "0" * 16, "a" * 64 + "-" + "0" * 16 + "\n"])
def test_a_key_is_never_a_path(tmp_path: Path, key: str) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    with pytest.raises(NotFound):
        blobs.get(key)


def test_the_bytes_are_on_disk_before_put_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    steps: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(fd: int) -> None:
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync file")
        real_fsync(fd)

    def rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    blobs.put(BODY)
    assert steps == ["sync file", "sync folder", "rename", "sync folder"]  # the second: of the new subfolder's name


def test_one_unreadable_blob_is_charged_to_its_job_and_a_store_that_is_away_is_not(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    key, gone = blobs.put(BODY), blobs.put(BODY)
    path = blobs.folder / key[:2] / key
    path.unlink()
    path.mkdir()  # a read fails, as with a damaged sector
    with pytest.raises(FetchFailed) as caught:
        get("blob", key, blobs=blobs)
    assert caught.value.retryable
    (tmp_path / "blobs").rename(tmp_path / "elsewhere")  # as a disk that is not mounted
    for one in (key, gone):
        with pytest.raises(StorageUnavailable):
            get("blob", one, blobs=blobs)


def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")

    def full(_fd: int, _data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageUnavailable, match="full") as caught:
        blobs.put(BODY)
    assert caught.value.retryable
    assert [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()] == []


def test_a_sweep_removes_what_is_old_and_not_needed(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    needed, orphan, young = blobs.put(b"a"), blobs.put(b"b"), blobs.put(b"c")
    left = tmp_path / "blobs" / "incoming" / "left-by-a-dead-process"
    left.write_bytes(b"part")
    for path in (*(p for p in (tmp_path / "blobs").rglob("*") if p.name in (needed, orphan)), left):
        os.utime(path, (1000, 1000))
    asked: list[str] = []

    def keep(keys: Sequence[str]) -> list[str]:
        asked.extend(keys)
        return [needed]

    assert blobs.sweep(1_000_001, keep) == 1
    assert sorted(asked) == sorted([needed, orphan])
    assert blobs.get(needed) == b"a"
    assert blobs.get(young) == b"c"
    assert not left.exists()
    with pytest.raises(NotFound):
        blobs.get(orphan)


def test_many_threads_put_and_delete_at_once(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")

    def work(_number: int) -> None:
        for turn in range(10):
            key = blobs.put(b"%d" % turn)
            assert blobs.get(key) == b"%d" % turn
            blobs.delete(key)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
