"""Copies with words inside: where they go, what is left out, and that the originals stay as they are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tagger import metadata
from tagger.cli import copies
from tagger.errors import BadRequest


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
    told = copies.write(rows, source, target, "en")
    assert told.startswith("1 copies with words")
    assert (source / "2026" / "a.jpg").read_bytes() == original
    assert sorted(p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()) == ["2026/a.jpg"]
    with Image.open(io.BytesIO((target / "2026" / "a.jpg").read_bytes())) as image:
        said = metadata.from_info(image.info)
    assert said.alt_text is not None
    assert said.alt_text.text == "Red square"
    assert [k.text for k in said.keywords] == ["red"]
    complained = capsys.readouterr().err
    assert "b.gif: Neither JPEG, PNG nor WebP." in complained
    assert "gone.png: No such file or directory." in complained


@pytest.mark.parametrize("target", ["in", "in/copies", "."])
def test_copies_never_lie_among_the_originals(tmp_path: Path, target: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(BadRequest, match="lie in each other"):
        copies.check_target(tmp_path / "in", tmp_path / target)
