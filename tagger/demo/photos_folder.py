"""The sample photographs, or the images of a folder, and renditions of them."""

from __future__ import annotations

from importlib import resources
from itertools import islice
from pathlib import Path

from tagger.cms.folder.walk import LeftOut, Picture, walk
from tagger.errors import BadRequest
from tagger.services.renditions import Renditions

JPEG = (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp")
TYPES = {**dict.fromkeys(JPEG, "image/jpeg"), ".png": "image/png", ".webp": "image/webp", ".gif": "image/gif"}
MOST = 300  # a demo takes minutes
MOST_BYTES = 16 << 20


def media_type(name: str) -> str:
    return TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


def photographs(folder: Path | None, renditions: Renditions, left_out: LeftOut = lambda _why, _name: None) -> list[Path]:
    """The readable images in order of name that the sample media library accepts. Errors: BadRequest if there are none."""
    root = folder if folder is not None else Path(str(resources.files("tagger.demo"))) / "photos"
    if not root.is_dir():
        raise BadRequest(f"{folder} is not a folder.", "Name a folder that holds images.")
    taken = (picture for picture in walk(root, left_out=left_out) if _taken(picture, renditions, left_out))
    pictures = list(islice((Path(picture.location) for picture in taken), MOST))
    if not pictures:
        raise BadRequest(f"{root} holds no readable JPEG, PNG, WebP or GIF image.", "Name a folder that holds images.")
    return pictures


def _taken(picture: Picture, renditions: Renditions, left_out: LeftOut) -> bool:
    if Path(picture.relative).suffix.lower() not in TYPES:
        left_out("a format that the sample library does not accept", picture.relative)
        return False
    if not _opens(Path(picture.location), renditions):
        left_out("an image that does not open, or is larger than 16 MiB", picture.relative)
        return False
    return True


def _opens(path: Path, renditions: Renditions) -> bool:
    """The demo has its own broken image; broken images of a user's folder are skipped."""
    try:
        return path.stat().st_size <= MOST_BYTES and renditions.opens(path)
    except OSError:
        return False


def rendition(renditions: Renditions, photograph: Path, width: int) -> bytes:
    """A smaller JPEG of a photograph. It has other bytes, so it is another image for tagger. Errors: DecodeError."""
    return renditions.jpeg(photograph, (width, width), quality=88)


def broken(renditions: Renditions, photograph: Path) -> bytes:
    """An image that opens, but ends too early."""
    whole = rendition(renditions, photograph, 400)
    behind_the_header = whole.index(b"\xff\xda") + 16  # start of scan: up to here any reader accepts it as an image
    return whole[: max(behind_the_header, len(whole) // 3)]
