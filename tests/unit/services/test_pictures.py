"""The pictures of the pages: fetched by the rules of the site, made small by another process, and kept for a while."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tagger.asset import ImageSource
from tagger.blobs.local import LocalBlobs
from tagger.errors import AddressForbidden, FetchFailed, FetchRefused, NotFound
from tagger.job import Job, JobRequest
from tagger.services import pictures as module
from tagger.services.pictures import Pictures
from tagger.site import Site

SITE = Site(id="s", name="A site")


class Renders:
    """Answers with what the file holds, and remembers."""

    def __init__(self) -> None:
        self.rendered: list[bytes] = []
        self.closed = 0

    def jpeg(self, picture: Path, size: tuple[int, int]) -> bytes:
        self.rendered.append(picture.read_bytes())
        return b"small " + self.rendered[-1]

    def close(self) -> None:
        self.closed += 1


def job(source: ImageSource, job_id: str = "job_1") -> Job:
    request = JobRequest(site_id="s", asset_id="a", source=source)
    nothing: dict[str, Any] = {"next_attempt_ms": None, "description": None, "error": None, "delivery_id": None}
    return Job(id=job_id, status="done", lane="upload", site_id="s", asset_id="a", created_ms=0, updated_ms=0, failures=0,
               crashes=0, request=request, **nothing)  # fmt: skip


@pytest.fixture
def renders() -> Renders:
    return Renders()


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def pictures(blobs: LocalBlobs, renders: Renders) -> Iterator[Pictures]:
    made = Pictures(blobs, lambda: renders, 1000)
    yield made
    made.close()


def test_uploaded_bytes_are_shown_and_rendered_once(pictures: Pictures, blobs: LocalBlobs, renders: Renders) -> None:
    one = job(ImageSource(kind="blob", location=blobs.put(b"bytes")))
    assert pictures.jpeg(SITE, one) == pictures.jpeg(SITE, one) == b"small bytes"
    assert renders.rendered == [b"bytes"]
    pictures.close()
    assert renders.closed == 1, "the process of the decoder ends with ours"


def test_bytes_that_are_gone_are_said_to_be_gone(pictures: Pictures, blobs: LocalBlobs) -> None:
    key = blobs.put(b"bytes")
    blobs.delete(key)
    with pytest.raises(NotFound, match="only until the image is described"):
        pictures.jpeg(SITE, job(ImageSource(kind="blob", location=key)))


def test_a_picture_of_a_private_address_is_not_fetched(pictures: Pictures) -> None:
    for url in ("http://127.0.0.1:9/a.jpg", "http://169.254.169.254/latest", "file:///etc/passwd"):
        with pytest.raises(AddressForbidden):
            pictures.jpeg(SITE, job(ImageSource(kind="url", location=url)))


def test_a_file_outside_of_its_folder_is_not_shown(pictures: Pictures, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "in.jpg").write_bytes(b"inside")
    (tmp_path / "out.jpg").write_bytes(b"outside")
    (folder / "link.jpg").symlink_to(tmp_path / "out.jpg")
    inside = ImageSource(kind="file", location=str(folder / "in.jpg"), root=str(folder))
    assert pictures.jpeg(SITE, job(inside)) == b"small inside"
    for name in ("link.jpg", "../out.jpg", "missing.jpg"):
        with pytest.raises(FetchRefused):
            pictures.jpeg(SITE, job(replace(inside, location=str(folder / name)), name))
    with pytest.raises(FetchRefused):
        pictures.jpeg(SITE, job(replace(inside, root=""), "job_2"))


def test_what_is_kept_has_a_limit(pictures: Pictures, blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 20)
    for number in range(5):
        pictures.jpeg(SITE, job(ImageSource(kind="blob", location=blobs.put(b"bytes")), f"job_{number}"))
    assert list(pictures._kept) == ["job_4"]


def test_pictures_that_get_on_slowly_do_not_take_every_thread(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    """All places are taken: the next one is refused, and does not wait for them."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
    for _ in range(module.AT_ONCE):
        assert pictures._places.acquire(blocking=False)
    with pytest.raises(FetchFailed):
        pictures.jpeg(SITE, job(ImageSource(kind="upload", location="key")))
    for _ in range(module.AT_ONCE):
        pictures._places.release()
