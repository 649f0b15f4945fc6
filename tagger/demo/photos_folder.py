"""The photographs that come with the demo, or those of a folder of yours; and renditions of them."""

from __future__ import annotations

import io
from importlib import resources
from itertools import islice
from pathlib import Path

from PIL import Image

from tagger.backfill import walk
from tagger.errors import BadRequest

TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".gif": "image/gif"}
MOST = 300  # a demo is a matter of minutes
MOST_BYTES = 16 << 20


def media_type(name: str) -> str:
    return TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


def photographs(folder: Path | None) -> list[Path]:
    """Pictures in name order that open and that the sample media library takes. Errors: BadRequest when there are none."""
    root = folder if folder is not None else Path(str(resources.files("tagger.demo"))) / "photos"
    if not root.is_dir():
        raise BadRequest(f"{folder} is not a folder.", "Name a folder of pictures.")
    named = (root / picture.relative for picture in walk(root) if Path(picture.relative).suffix.lower() in TYPES)
    found = list(islice((path for path in named if _opens(path)), MOST))
    if not found:
        raise BadRequest(f"{root} holds no JPEG, PNG, WebP or GIF picture that opens.", "Name a folder of pictures.")
    return found


def _opens(path: Path) -> bool:
    """The demo brings its own broken picture; those of a person's folder are none of its checks."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return False
        with Image.open(path) as image:
            image.draft("RGB", (64, 64))
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def rendition(photograph: Path, width: int) -> bytes:
    """A smaller JPEG of a photograph: other bytes, so another picture to describe."""
    with Image.open(photograph) as image:
        small = image.convert("RGB")
        small.thumbnail((width, width))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=88)
    return out.getvalue()


def broken(photograph: Path) -> bytes:
    """A picture that opens and then ends too soon."""
    whole = rendition(photograph, 400)
    behind_the_header = whole.index(b"\xff\xda") + 16  # start of scan: up to here any reader takes it for a picture
    return whole[: max(behind_the_header, len(whole) // 3)]
