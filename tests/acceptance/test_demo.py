"""`tagger demo` as a person runs it: with the sample photographs, with a folder of images, and with --serve."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import requests

from acceptance.house import Running, alive, family, tagger
from acceptance.pictures import png

PROCESSES = {"TAGGER_TAG_PROCESSES": "2", "TAGGER_DECODE_PROCESSES": "1"}
ONE_WORKER = {**PROCESSES, "TAGGER_TAG_PROCESSES": "1"}  # enough where none is killed


def test_the_demo_shows_what_was_promised(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.html"
    began = time.monotonic()
    done = tagger("demo", "--out", str(sheet), home=tmp_path / "home", **PROCESSES)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert time.monotonic() - began < 120
    for words in (
        "written back by the signed callback",
        "image_unreadable",
        "`kept`",
        "the signed callback told the media library",
        "lost 0",
        "written twice 0",
        "All checks passed",
    ):
        assert words in done.stdout
    page = sheet.read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") >= 8
    assert "Our press photo of the year" in page


def test_own_pictures_and_staying_up(tmp_path: Path) -> None:
    """Flat colours, for which nothing is published; a broken file, and two of one name."""
    folder = tmp_path / "own"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.png").write_bytes(png((130, 130, 130)))
    (folder / "sub" / "a.png").write_bytes(png((30, 30, 30)))
    (folder / "broken.jpg").write_bytes(b"no picture")
    sheet = tmp_path / "sheet.html"
    log = tmp_path / "demo.log"
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    more = {"TMPDIR": str(temporary), **PROCESSES}
    with Running(
        "demo", "--folder", str(folder), "--out", str(sheet), "--serve", home=tmp_path / "home", log=log, **more
    ) as demo:
        said = demo.until_it_says("Press Ctrl-C to stop everything", 150)
        assert "All checks passed" in said, said[-3000:]
        for name in ("Media library", "API and docs", "Pages", "Flower"):
            address = re.findall(name + r"\s+(http://\S+)", said)[-1]
            assert requests.get(address, timeout=20).status_code == 200, address
        library = re.findall(r"Media library\s+(http://\S+)", said)[-1]
        assets = requests.get(f"{library}api/assets", timeout=20).json()["data"]
        states = {asset["filename"]: asset["told"]["state"] for asset in assets}
        assert len(assets) < 10, "the copies of the kill test do not bury the others"
        assert "waiting" not in states.values()
        assert states["broken-a.jpg"] == "failed"
        processes = family(demo.process.pid)
        assert demo.interrupt(90) in (0, 130)
    assert alive(processes) == []
    assert sheet.is_file()
    assert list(temporary.glob("tagger-*")) == []


def test_a_demo_that_is_terminated_takes_its_folder_along(tmp_path: Path) -> None:
    temporary, log = tmp_path / "tmp", tmp_path / "demo.log"
    temporary.mkdir()
    (tmp_path / "a.png").write_bytes(png((130, 130, 130)))
    words = ("demo", "--folder", str(tmp_path), "--out", str(tmp_path / "sheet.html"))
    with Running(*words, home=tmp_path / "home", log=log, TMPDIR=str(temporary), **ONE_WORKER) as demo:
        demo.until_it_says("queued")
        processes = family(demo.process.pid)
        assert len(list(temporary.glob("tagger-*"))) == 1
        demo.process.terminate()
        assert demo.process.wait(60) == 128 + signal.SIGTERM
    assert alive(processes) == []
    assert list(temporary.glob("tagger-*")) == []
