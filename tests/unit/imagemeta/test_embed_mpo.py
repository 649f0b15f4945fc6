"""A JPEG of several pictures (MPO, as phones write it): each picture stays as it was, and the index of them fits."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.blocks import jpeg_with

from tagger.errors import EmbedRefused
from tagger.imagemeta.embed import embed
from tagger.imagemeta.xmp_packet import Words

WORDS = Words(locale="en", caption="A cup of espresso.", keywords=("coffee", "咖啡"))
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b"<rdf:Description/></rdf:RDF></x:xmpmeta>"
)
EXIF = Image.Exif()
EXIF[0x0112] = 6


def phone(pictures: int = 2, **options: object) -> bytes:
    frames = [Image.linear_gradient("L").rotate(90 * n).resize((60 - n, 40)).convert("RGB") for n in range(pictures)]
    out = io.BytesIO()
    frames[0].save(out, "MPO", save_all=True, append_images=frames[1:], **options)
    return out.getvalue()


def big_endian(data: bytes) -> bytes:
    """The same file with an index in the other byte order."""
    at = data.index(b"MPF\0") + 4
    fields = struct.unpack_from("<H", data, at + 8)[0]
    made = bytearray(data)
    struct.pack_into(">2sHIH", made, at, b"MM", 42, 8, fields)
    for n in range(fields):
        place = at + 10 + 12 * n
        tag, kind, count, value = struct.unpack_from("<HHII", data, place)
        struct.pack_into(">HHII", made, place, tag, kind, count, value)
        for entry in range(count // 16 if tag == 0xB002 else 0):
            spot = at + value + 16 * entry
            struct.pack_into(">IIIHH", made, spot, *struct.unpack_from("<IIIHH", data, spot))
    return bytes(made)


FILES = {
    "xmp-behind-index": phone(xmp=XMP),  # as Pillow writes it: our packet moves to the front
    "no-xmp": phone(),
    "exif": phone(exif=EXIF),
    "three": phone(3, exif=EXIF, xmp=XMP),  # whose last picture Pillow states as too large
    "xmp-before-index": jpeg_with(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP, phone()),
    "big-endian": big_endian(phone(xmp=XMP)),
}
# a segment put in front shifts the rest: the first picture's size grows with it, the offsets count from the index itself
FILES["xmp-before-index"] = FILES["xmp-before-index"].replace(
    struct.pack("<I", phone().index(b"\xff\xd8\xff", 4)),
    struct.pack("<I", FILES["xmp-before-index"].index(b"\xff\xd8\xff", 4)),
    1,
)


def frames(data: bytes) -> list[tuple[tuple[int, int], bytes]]:
    found = []
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "MPO"
        for n in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(n)
            image.load()
            found.append((image.size, image.tobytes()))
    return found


def index(data: bytes) -> list[tuple[int, int]]:
    """(start in the file, size) of each picture, as the index has it."""
    at = data.index(b"MPF\0") + 4
    order = "<" if data[at : at + 2] == b"II" else ">"
    for n in range(struct.unpack_from(order + "H", data, at + 8)[0]):
        tag, _, length, value = struct.unpack_from(order + "HHII", data, at + 10 + 12 * n)
        if tag == 0xB002:
            entries = [struct.unpack_from(order + "III", data, at + value + 16 * e) for e in range(length // 16)]
            return [(at + offset if offset else 0, size) for _, size, offset in entries]
    raise AssertionError("no index")


@pytest.mark.parametrize("name", FILES)
def test_every_picture_stays_and_the_index_is_exact(name: str) -> None:
    before = FILES[name]
    made = embed(before, WORDS)
    assert made.outcomes["caption"] == "written"
    assert frames(made.data) == frames(before)
    assert sum(size for _, size in index(made.data)) == len(made.data), "the pictures' sizes are all of the file"
    for start, size in index(made.data):
        assert made.data[start : start + 2] == b"\xff\xd8"
        assert made.data[start + size - 2 : start + size] == b"\xff\xd9"
    assert [made.data[a : a + n] for a, n in index(made.data)[1:]] == [before[a : a + n] for a, n in index(before)[1:]]
    assert embed(made.data, WORDS).data == made.data
    assert frames(embed(made.data, Words(locale="en", caption="Longer by some words than before.")).data) == frames(before)


def changed(data: bytes, number: int, size: int | None = None, offset: int | None = None) -> bytes:
    at = data.index(b"MPF\0") + 4
    made = bytearray(data)
    entries = next(
        struct.unpack_from("<I", data, at + 18 + 12 * n)[0]
        for n in range(3)
        if struct.unpack_from("<H", data, at + 10 + 12 * n)[0] == 0xB002
    )
    for value, place in ((size, 4), (offset, 8)):
        if value is not None:
            struct.pack_into("<I", made, at + entries + 16 * number + place, value)
    return bytes(made)


@pytest.mark.parametrize(
    "broken",
    [
        changed(phone(), 1, offset=99),
        phone()[:-40],
        changed(phone(), 1, offset=0xFFFFFF00),
        changed(phone(), 0, offset=5),
        phone().replace(b"MPF\0II", b"MPF\0XX"),
        phone()[: len(phone()) // 2],
        jpeg_with(0xE2, b"MPF\0II*\0\x08\0\0\0\0\0", phone()),
    ],
)
def test_an_index_that_does_not_fit_is_refused(broken: bytes) -> None:
    with pytest.raises(EmbedRefused, match="index"):
        embed(broken, WORDS)


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, 300), noise=st.binary(max_size=12))
def test_noise_in_the_index_is_refused_or_harmless(cut: int, noise: bytes) -> None:
    data = FILES["three"]
    broken = data[:cut] + noise + data[cut + len(noise) :]
    try:
        made = embed(broken, WORDS)
    except EmbedRefused:
        return
    assert len(made.data) > len(broken)
