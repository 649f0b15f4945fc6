"""Promise I4: a picture is opened by a limited decoder alone, and no file makes us start another program."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from PIL import Image

from tagger.cli.evaluation_page import page as evaluation_page
from tagger.demo.library import NotAnImage, media_type_of
from tagger.demo.photos_folder import photographs
from tagger.demo.sheet import thumbnail, write_sheet
from tagger.demo.words import Shown
from tagger.errors import DecodeError, DecoderUnavailable, EmbedRefused
from tagger.evaluation import ground_truth
from tagger.evaluation.run import EvaluationRun
from tagger.imagemeta.embed import embed
from tagger.imagemeta.xmp_packet import Words
from tagger.services.renditions import Renditions
from tagger.settings import load

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n"
SIDE = 30_000


def bomb() -> bytes:
    """A whole PNG of 30,000 × 30,000 pixels."""
    packer = zlib.compressobj(1)
    rows = b"\0" * (1 + SIDE // 8)
    data = b"".join([*(packer.compress(rows) for _ in range(SIDE)), packer.flush()])
    chunks = [(b"IHDR", struct.pack("!IIBBBBB", SIDE, SIDE, 1, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    made = (struct.pack("!I", len(b)) + kind + b + struct.pack("!I", zlib.crc32(kind + b)) for kind, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a `gs` on the PATH leaves behind when somebody starts it."""
    trace = tmp_path / "started"
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho started >> '{trace}'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return trace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    (made / "a.jpg").write_bytes(POSTSCRIPT)
    (made / "b.png").write_bytes(bomb())
    Image.linear_gradient("L").convert("RGB").save(made / "good.png")
    os.mkfifo(made / "pipe.jpg")
    return made


@pytest.fixture
def renditions() -> Iterator[Renditions]:
    with Renditions(load({})) as made:
        yield made


def test_pillow_alone_would_start_it(trap: Path, folder: Path) -> None:
    """Else the other tests show nothing."""
    code = "import sys; from PIL import Image; Image.open(sys.argv[1]).load()"
    subprocess.run([sys.executable, "-c", code, str(folder / "a.jpg")], check=False, capture_output=True, timeout=60)
    assert trap.exists()


def test_no_way_of_ours_starts_it_and_each_leaves_only_the_bad_ones_out(
    trap: Path, folder: Path, tmp_path: Path, renditions: Renditions
) -> None:
    assert [path.name for path in photographs(folder, renditions)] == ["good.png"]
    for bad in ("a.jpg", "b.png", "pipe.jpg", "not there.png"):
        assert thumbnail(folder / bad, renditions) is None
    with pytest.raises(EmbedRefused):
        embed(POSTSCRIPT, Words(locale="en", caption="A cup."))
    with pytest.raises(NotAnImage):
        media_type_of(POSTSCRIPT)
    write_sheet([shown(folder / name) for name in ("a.jpg", "b.png", "good.png")], "lead", tmp_path / "sheet.html", renditions)
    evaluated(folder, tmp_path / "report.html", renditions)
    for page in ("sheet.html", "report.html"):
        assert (tmp_path / page).read_text("utf-8").count("data:image/jpeg;base64,") == 1
    assert not trap.exists()


def shown(picture: Path) -> Shown:
    asset: dict[str, Mapping[str, object]] = {"fields": {}}
    return Shown(file=picture.name, picture=picture, asset=asset, job={"error": None, "annotations": [], "verdict": None})


def evaluated(folder: Path, page: Path, renditions: Renditions) -> None:
    names = ("a.jpg", "b.png", "good.png")
    (folder / "labels.csv").write_text("file,true_tags\n" + "".join(f"{name},cat\n" for name in names), "utf-8")
    told = ground_truth.load(folder / "labels.csv")
    failed = EvaluationRun(name="general", models=(), terms=("cat",), answers={}, failed={}, broken_alt_texts={})
    page.write_text(evaluation_page(folder, told, {"all images": names}, [failed], [{}], "<svg/>", renditions), "utf-8")


def test_a_rendition_is_upright_small_and_never_enlarged(folder: Path, renditions: Renditions) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1600, 900), "red").save(folder / "turned.jpg", exif=exif)
    for name, size, expected in (("turned.jpg", (480, 480), (270, 480)), ("good.png", (1000, 1000), (256, 256))):
        (folder / "made.jpg").write_bytes(renditions.jpeg(folder / name, size))
        with Image.open(folder / "made.jpg") as image:
            assert (image.format, image.size) == ("JPEG", expected)
    (folder / "link.png").symlink_to(folder / "good.png")
    assert renditions.opens(folder / "link.png")
    with pytest.raises(DecodeError, match="pixels"):
        renditions.jpeg(folder / "b.png", (64, 64))


def test_a_process_that_ended_is_named_and_the_next_picture_gets_another(folder: Path, renditions: Renditions) -> None:
    assert renditions.opens(folder / "good.png")
    assert renditions._process is not None
    renditions._process.kill()
    renditions._process.wait()
    with pytest.raises(DecoderUnavailable):
        renditions.opens(folder / "good.png")
    assert renditions.opens(folder / "good.png")


def test_a_decoder_refuses_to_start_a_program() -> None:
    code = """
import os, subprocess, sys
from workers.decode.child import start_nothing
sys.addaudithook(start_nothing)
true = ("/bin/true", ["true"])
calls = (lambda: subprocess.run(["true"]), lambda: os.system("true"), lambda: os.execv(*true), lambda: os.posix_spawn(*true, {}))
for start in (*calls, os.fork):
    try:
        start()
    except PermissionError:
        print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["refused"] * 5
