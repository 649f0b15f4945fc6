"""The one walk over a folder: what is described, what is left out without a word, and what is named."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tagger.cms.folder.survey import survey
from tagger.cms.folder.walk import COMPANIONS, SUFFIXES, Picture, may_follow, walk
from tagger.demo.photos_folder import photographs
from workers.fetch.files import read_file


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def names(root: Path) -> list[str]:
    return [picture.relative for picture in walk(root)]


def content(picture: Picture) -> bytes:
    """As a worker reads it."""
    return read_file(picture.location, picture.root, 1 << 20)


@pytest.mark.parametrize(
    "folder", [*sorted(COMPANIONS), "@eaDir", "#Recycle", "$RECYCLE.BIN", ".thumbnails", ".Trash-1000", "a.lrdata"]
)
def test_what_other_programs_made_is_left_out_without_a_word(tmp_path: Path, folder: str) -> None:
    put(
        tmp_path,
        "cup.jpg",
        "._cup.jpg",
        ".hidden.jpg",
        f"{folder}/cup.jpg/SYNOFILE_THUMB_M.jpg",
        f"sub/{folder}/b.jpg",
        "sub/b.jpg",
    )
    assert names(tmp_path) == ["cup.jpg", "sub/b.jpg"]
    assert survey(tmp_path).sentence() == ""


def test_a_hidden_folder_that_a_person_names_is_walked(tmp_path: Path) -> None:
    put(tmp_path, ".photos/a.jpg")
    assert names(tmp_path / ".photos") == ["a.jpg"]


def test_of_a_photo_library_only_the_originals_are_taken(tmp_path: Path) -> None:
    put(
        tmp_path, "My.photoslibrary/originals/0/a.heic", "My.photoslibrary/resources/derivatives/a.jpeg", "My.photoslibrary/b.jpg"
    )
    assert names(tmp_path) == ["My.photoslibrary/originals/0/a.heic"]


@pytest.mark.parametrize("ending", [*sorted(SUFFIXES), ".JFIF", ".JPE", ".HIF", ".Tif"])
def test_every_ending_of_a_format_that_the_decoders_open_is_taken(tmp_path: Path, ending: str) -> None:
    put(tmp_path, f"a{ending}")
    assert names(tmp_path) == [f"a{ending}"]


def test_the_endings_are_those_of_the_decoders() -> None:
    """Whatever ending Pillow's own plug-ins give to the formats that we open; twins that it does not know come on top."""
    import pillow_heif
    from PIL import Image

    from workers.decode.pixels import FORMATS

    Image.init()
    pillow_heif.register_heif_opener()
    known = {ending for ending, form in Image.registered_extensions().items() if form in (*FORMATS, "MPO")}
    assert known <= SUFFIXES


def test_pictures_that_no_decoder_opens_are_named(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.CR2", "c.svg", "notes.txt")
    assert names(tmp_path) == ["a.jpg"]
    assert survey(tmp_path).sentence() == "Skipped: 2 × an image in an unsupported format (b.CR2, c.svg)."


JPEG, WEBP, HEIC = b"\xff\xd8\xff\xe0" + bytes(20), b"RIFF\0\0\0\0WEBPVP8 ", b"\0\0\0\x18ftypheic" + bytes(8)
UNSAID = "Skipped: 1 × an image whose name does not end like one, such as in .jpg ({name})."


@pytest.mark.parametrize("name", ["IMG_0001", "cat.jpg?w=200", "cat.jpg.1", "cat.jpg_large", "cat.jpg ", "cat.jpg(1)", "cat."])
@pytest.mark.parametrize("content", [JPEG, WEBP, HEIC], ids=["jpeg", "webp", "heic"])
def test_an_image_whose_name_does_not_say_so_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert names(tmp_path) == []
    assert survey(tmp_path).sentence() == UNSAID.format(name=name)


@pytest.mark.parametrize("name", ["cat.jpg~", "cat.jpg_original", "clip.mov", "cat.xmp", "Makefile"])
def test_backups_and_other_files_are_left_out_without_a_word(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"all: build" if name == "Makefile" else JPEG)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    assert survey(tmp_path).sentence() == ""


def test_a_linked_album_is_described_and_a_loop_is_not_walked_twice(tmp_path: Path) -> None:
    put(tmp_path, "lib/a.jpg", "lib/sub/c.jpg", "disk2/b.jpg", "disk2/deep/d.jpg")
    for link, target in (
        ("lib/album", "../disk2"),
        ("lib/loop", "."),
        ("lib/sub/up", "../sub"),
        ("disk2/back", "../lib"),
        ("lib/all", ".."),
    ):
        (tmp_path / link).symlink_to(target)
    found = list(walk(tmp_path / "lib"))
    assert [picture.relative for picture in found] == ["a.jpg", "album/b.jpg", "album/deep/d.jpg", "sub/c.jpg"]
    assert [content(picture) for picture in found] == [b"x"] * 4, "the reader may go where the walk went"
    assert survey(tmp_path / "lib").sentence() == "Skipped: 1 × a link to a folder that contains it (all)."
    for number, picture in enumerate(found):
        rest = [p.relative for p in walk(tmp_path / "lib", picture.relative)]
        assert rest == [p.relative for p in found[number + 1 :]], "a walk goes on behind a linked folder"


def test_folders_that_link_each_other_come_to_an_end(tmp_path: Path) -> None:
    put(tmp_path, "lib/a.jpg", *(f"d{n}/{n}.jpg" for n in range(4)))
    (tmp_path / "lib" / "d0").symlink_to("../d0")
    for n in range(4):
        for m in range(4):
            (tmp_path / f"d{n}" / f"to{m}").symlink_to(f"../d{m}")
    assert "d0/0.jpg" in names(tmp_path / "lib")
    assert len(names(tmp_path / "lib")) == 1 + 1 + 3 + 3 * 2 + 3 * 2 * 1, "each way without a circle, once"


def test_links_to_files_and_links_to_nowhere(tmp_path: Path) -> None:
    put(tmp_path, "lib/a.jpg", "else/b.jpg", ".annex/c.jpg")
    (tmp_path / "lib" / "b.jpg").symlink_to("../else/b.jpg")
    (tmp_path / "lib" / "c.jpg").symlink_to("../.annex/c.jpg")
    (tmp_path / "lib" / "gone.jpg").symlink_to("../no/gone.jpg")
    (tmp_path / "lib" / "album").symlink_to("/no/such/disk")
    (tmp_path / "lib" / "self").symlink_to("self")
    found = list(walk(tmp_path / "lib"))
    assert [(p.relative, content(p)) for p in found] == [("a.jpg", b"x"), ("b.jpg", b"x"), ("c.jpg", b"x")]
    assert survey(tmp_path / "lib").sentence() == "Skipped: 3 × a broken link (album, gone.jpg, self)."


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a link to another user")
def test_the_link_of_a_stranger_does_not_lead_out(tmp_path: Path) -> None:
    put(tmp_path, "shared/a.jpg", "private/b.jpg")
    for name in ("album", "b.jpg"):
        (tmp_path / "shared" / name).symlink_to("../private" + ("/b.jpg" if name == "b.jpg" else ""))
        os.lchown(tmp_path / "shared" / name, 12_345, 12_345)
    assert names(tmp_path / "shared") == ["a.jpg"]
    assert survey(tmp_path / "shared").sentence() == "Skipped: 2 × a link that another user owns (album, b.jpg)."
    os.chown(tmp_path / "private", 12_345, 12_345)
    assert may_follow(str(tmp_path / "shared" / "album"), str(tmp_path / "private")), "who links to what is theirs"


def test_names_that_are_not_unicode_are_named(tmp_path: Path) -> None:
    put(tmp_path, "ok.jpg")
    for raw in (b"No\xebl.jpg", b"notes\xeb.txt", b"Juli\xeb/x.jpg"):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + raw))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert names(tmp_path) == ["ok.jpg"]
    assert survey(tmp_path).sentence() == r"Skipped: 2 × a name that is not Unicode (Juli\xeb, No\xebl.jpg)."


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.jpg", "closed/b.jpg")
    scandir = os.scandir

    def refused(path: str) -> Any:  # root may read everything, and tests often run as root
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert survey(tmp_path).sentence() == "Skipped: 1 × a folder that is not readable (closed)."


def test_a_long_list_is_counted_and_a_few_are_named(tmp_path: Path) -> None:
    put(tmp_path, *(f"{n}.psd" for n in range(9)))
    assert survey(tmp_path).sentence() == "Skipped: 9 × an image in an unsupported format (0.psd, 1.psd, 2.psd, and 6 more)."


def test_the_demo_walks_the_same_way(tmp_path: Path) -> None:
    renditions: Any = SimpleNamespace(opens=lambda _path: True)  # whether a picture opens is no question here
    for name in ("lib/a.jpg", "lib/._a.jpg", "lib/@eaDir/a.jpg", "lib/b.jfif", "disk/c.JPE"):
        put(tmp_path, name)
    (tmp_path / "lib" / "album").symlink_to("../disk")
    put(tmp_path, "lib/d.heic")
    told: list[tuple[str, str]] = []
    found = photographs(tmp_path / "lib", renditions, lambda why, name: told.append((why, name)))
    assert [path.name for path in found] == ["a.jpg", "c.JPE", "b.jfif"]
    assert told == [("a format that the sample library does not accept", "d.heic")]
