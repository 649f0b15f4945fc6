"""What a file says of itself reaches the decoder's answer from every place where files keep it."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from support.blocks import IPTC_FORMS, iim, photoshop, picture, png_with

from tagger.file_metadata import FileMetadata
from tagger.imagemeta.read import read_metadata
from workers.decode import pixels
from workers.decode.pixels import Picture


def decode(data: bytes) -> Picture:
    return pixels.decode(data, max_pixels=1_000_000, long_side=64)


def tiff(tags: dict[int, tuple[int, bytes]]) -> bytes:
    """A TIFF with more tags: type and bytes of each."""
    data = bytearray(picture("TIFF"))
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    entries = [bytes(data[directory + 2 + 12 * n :][:12]) for n in range(count)]
    for tag, (kind, value) in tags.items():
        length = len(value) // (4 if kind == 4 else 1)
        entries.append(struct.pack("<HHII", tag, kind, length, len(data)))
        data += value + b"\0" * (len(value) % 2)
    struct.pack_into("<I", data, 4, len(data))
    return bytes(data + struct.pack("<H", len(entries)) + b"".join(sorted(entries)) + bytes(4))


def told(decoded: Picture) -> FileMetadata:
    texts = json.loads(decoded.texts) if decoded.texts else {}
    return read_metadata(exif_block=decoded.exif, iptc_block=decoded.iptc, xmp_packet=decoded.xmp, texts=texts)


def caption(decoded: Picture) -> str | None:
    said = told(decoded).caption
    return None if said is None else said.text


CAPTION = iim((2, 120, "Café “Zürich”".encode("cp1252")))


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({270: (2, "Cafés".encode("latin-1"))}, "Cafés"),
        ({270: (2, "Café “Zürich”".encode())}, "Café “Zürich”"),
        ({270: (2, "Café “Zürich”".encode("cp1252"))}, "Café “Zürich”"),
        ({0x9C9C: (1, "Café".encode("utf-16-le") + b"\0\0")}, "Café"),
        ({33723: (7, CAPTION)}, "Café “Zürich”"),
        ({33723: (1, CAPTION)}, "Café “Zürich”"),
        ({33723: (4, CAPTION + bytes(-len(CAPTION) % 4))}, "Café “Zürich”"),
        ({34377: (7, photoshop(CAPTION).removeprefix(b"Photoshop 3.0\0"))}, "Café “Zürich”"),
        ({270: (2, b"ImageJ=1.53t\nimages=3")}, None),
        ({270: (2, b'{"shape": [3, 4]}')}, None),
    ],
)
def test_what_a_tiff_says_of_itself(tags: dict[int, Any], words: str | None) -> None:
    assert caption(decode(tiff(tags))) == words


def test_the_date_of_a_tiff() -> None:
    taken = told(decode(tiff({306: (2, b"2024:05:06 07:08:09")}))).taken
    assert taken is not None
    assert taken.text == "2024-05-06T07:08:09"


@pytest.mark.parametrize("form", IPTC_FORMS)
def test_iptc_of_every_form(form: str) -> None:
    assert caption(decode(IPTC_FORMS[form](CAPTION))) == "Café “Zürich”"


def test_texts_of_the_format_itself() -> None:
    assert caption(decode(picture("JPEG", comment=b"Grandma"))) == "Grandma"
    assert caption(decode(picture("GIF", comment=b"Grandma"))) == "Grandma"
    assert caption(decode(png_with("Description", "Grandma", "iTXt"))) == "Grandma"
