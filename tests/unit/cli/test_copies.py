"""Copies with words inside: where they go, what is left out, and that the originals stay as they are."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.blocks import iim, jpeg_with, photoshop

from tagger.cli import copies
from tagger.errors import BadRequest
from tagger.file_metadata import FileMetadata
from tagger.imagemeta.read import from_info


def picture(path: Path, form: str) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (200, 30, 30)).save(path, form)
    return path.read_bytes()


def row(file: str, alt: str | None = None, *tags: str) -> dict[str, Any]:
    return {"file": file, "caption": None, "alt_text": alt, "tags": [{"id": t, "label": t, "score": 0.9} for t in tags]}


def test_each_described_picture_gets_a_copy_and_stays_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    original = picture(source / "2026" / "a.jpg", "JPEG")
    picture(source / "b.gif", "GIF")
    picture(source / "c.png", "PNG")
    rows = [row("2026/a.jpg", "Red square", "red"), row("b.gif", "x"), row("c.png"), row("gone.png", "x")]
    made = copies.write(rows, source, target, "en")
    assert made.sentence.startswith("1 copies with texts")
    assert made.failed == ("b.gif", "gone.png")
    assert "2 images have no copy: b.gif, gone.png" in made.sentence
    assert (source / "2026" / "a.jpg").read_bytes() == original
    assert sorted(p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()) == ["2026/a.jpg"]
    with Image.open(io.BytesIO((target / "2026" / "a.jpg").read_bytes())) as image:
        said = from_info(image.info)
    assert said.alt_text is not None
    assert said.alt_text.text == "Red square"
    assert [k.text for k in said.keywords] == ["red"]
    complained = capsys.readouterr().err
    assert "b.gif: Neither JPEG, PNG nor WebP." in complained
    assert "gone.png: No such file or directory." in complained


@pytest.mark.parametrize("target", ["in", "in/copies", "."])
def test_copies_never_lie_among_the_originals(tmp_path: Path, target: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(BadRequest, match="contains the other"):
        copies.check_target(tmp_path / "in", tmp_path / target)


def test_copies_never_lie_in_a_folder_that_a_link_makes_one_of_the_originals(tmp_path: Path) -> None:
    """Otherwise the next run would describe the copies, and make copies of them."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    (tmp_path / "in" / "sub" / "link").symlink_to(tmp_path / "disk")
    for target in ("disk", "disk/copies", "in/sub/link/copies"):
        with pytest.raises(BadRequest, match="contains the other"):
            copies.check_target(tmp_path / "in", tmp_path / target)
    copies.check_target(tmp_path / "in", tmp_path / "out" / "copies")


def test_a_place_that_can_take_no_copies_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "file").write_text("words")
    for target in ("file", "file/copies"):
        with pytest.raises(BadRequest, match=r"file is not a folder\."):
            copies.check_target(tmp_path / "in", tmp_path / target)


CAPTION = {"caption": "A red square.", "alt_text": "Red square", "tags": [{"id": "red", "label": "red", "score": 0.9}]}


def embedded(tmp_path: Path, **changes: Any) -> str:
    return copies.write([{"file": "a.jpg", **CAPTION, **changes}], tmp_path / "in", tmp_path / "out", "en").sentence


def said(path: Path) -> FileMetadata:
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return from_info(image.info)


def test_a_second_run_renews_a_copy_that_nobody_touched(tmp_path: Path) -> None:
    copy = tmp_path / "out" / "a.jpg"
    picture(tmp_path / "in" / "a.jpg", "JPEG")
    embedded(tmp_path)
    before = copy.read_bytes()
    assert embedded(tmp_path) == f"1 copies with texts → {tmp_path / 'out'}"
    assert copy.read_bytes() == before
    Image.new("RGB", (9, 9), "blue").save(tmp_path / "in" / "a.jpg")
    embedded(tmp_path, caption="A blue square.")
    assert (found := said(copy)).caption is not None
    assert found.caption.text == "A blue square."
    with Image.open(copy) as image:
        assert image.size == (9, 9)


def checked(png: bytes) -> bytes:
    """With the checksum that its XMP chunk needs."""
    at = png.index(b"iTXt")
    end = at + 4 + int.from_bytes(png[at - 4 : at], "big")
    return png[:end] + zlib.crc32(png[at:end]).to_bytes(4, "big") + png[end + 4 :]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_an_edit_made_in_a_copy_stays(tmp_path: Path, form: str) -> None:
    copy = tmp_path / "out" / "a.jpg"
    picture(tmp_path / "in" / "a.jpg", form)
    embedded(tmp_path)
    edited = copy.read_bytes().replace(b"A red square.", b"Grandma's tie")
    copy.write_bytes(checked(edited) if form == "PNG" else edited)
    for _ in range(2):  # the run after the next must not forget it
        told = embedded(tmp_path, caption="A scarlet square.")
        assert "texts that stayed in the files: 1 caption" in told
        assert b"Grandma's tie" in copy.read_bytes()
        assert b"scarlet" not in copy.read_bytes()


def test_a_caption_that_somebody_put_beside_ours_stays(tmp_path: Path) -> None:
    copy = tmp_path / "out" / "a.jpg"
    picture(tmp_path / "in" / "a.jpg", "JPEG")
    embedded(tmp_path)
    copy.write_bytes(jpeg_with(0xED, photoshop(iim((2, 120, b"Grandma's tie"))), copy.read_bytes()))
    assert "texts that stayed in the files: 1 caption" in embedded(tmp_path)
    found = said(copy)
    assert found.caption is not None
    assert found.caption.text == "Grandma's tie"
    assert [k.text for k in found.keywords] == ["red"]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF"])
def test_a_file_that_we_did_not_write_is_never_replaced(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    picture(tmp_path / "in" / "a.jpg", "JPEG")
    foreign = picture(tmp_path / "out" / "a.jpg", form)
    assert embedded(tmp_path).startswith("0 copies")
    assert (tmp_path / "out" / "a.jpg").read_bytes() == foreign
    complained = capsys.readouterr().err
    assert f"{tmp_path / 'out' / 'a.jpg'} already exists, and tagger did not write it." in complained


def test_a_copy_that_was_edited_while_its_original_changed_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "out" / "a.jpg"
    picture(tmp_path / "in" / "a.jpg", "JPEG")
    embedded(tmp_path)
    edited = copy.read_bytes().replace(b"A red square.", b"Grandma's tie")
    copy.write_bytes(edited)
    Image.new("RGB", (9, 9), "blue").save(tmp_path / "in" / "a.jpg")
    assert embedded(tmp_path).startswith("0 copies")
    assert copy.read_bytes() == edited
    assert "its original has changed too" in capsys.readouterr().err


def test_a_copy_that_holds_nothing_of_ours_is_known_as_a_copy(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(jpeg_with(0xED, photoshop(iim((2, 120, b"Grandma's tie")))))
    for _ in range(2):
        assert "1 copies" in embedded(tmp_path, alt_text=None, tags=[])


def test_nobody_may_read_a_copy_who_may_not_read_its_original(tmp_path: Path) -> None:
    copy = tmp_path / "out" / "a.jpg"
    picture(tmp_path / "in" / "a.jpg", "JPEG")
    (tmp_path / "in" / "a.jpg").chmod(0o600)
    embedded(tmp_path)
    assert copy.stat().st_mode & 0o777 == 0o600
    copy.chmod(0o640)
    embedded(tmp_path, caption="A scarlet square.")
    assert copy.stat().st_mode & 0o777 == 0o640


def test_a_copy_may_have_as_long_a_name_as_its_original(tmp_path: Path) -> None:
    name = "n" * 251 + ".jpg"
    picture(tmp_path / "in" / name, "JPEG")
    told = copies.write([{"file": name, **CAPTION}], tmp_path / "in", tmp_path / "out", "en").sentence
    assert told.startswith("1 copies")
