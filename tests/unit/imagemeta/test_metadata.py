"""What files say about themselves, read from real containers and from hostile blocks."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.blocks import IPTC_FORMS, iim, photoshop, png_with

from tagger.file_metadata import FileMetadata, Said
from tagger.imagemeta import exif, iptc
from tagger.imagemeta.read import from_info, read_metadata
from tagger.imagemeta.xmp import XmpRefused
from tagger.imagemeta.xmp import read as read_xmp

XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
  xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/" photoshop:DateCreated="2024-05-06T07:08:09+02:00">
 <dc:description><rdf:Alt>
  <rdf:li xml:lang="x-default">A cat on a wall</rdf:li><rdf:li xml:lang="de">Katze</rdf:li>
 </rdf:Alt></dc:description>
 <dc:title><rdf:Alt><rdf:li xml:lang="x-default">Cat &amp; wall</rdf:li></rdf:Alt></dc:title>
 <dc:subject><rdf:Bag><rdf:li>cat</rdf:li><rdf:li>猫</rdf:li><rdf:li>Cat</rdf:li></rdf:Bag></dc:subject>
 <Iptc4xmpCore:AltTextAccessibility><rdf:Alt>
  <rdf:li xml:lang="en">Tabby cat sitting</rdf:li>
 </rdf:Alt></Iptc4xmpCore:AltTextAccessibility>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def reopened(form: str, **more: object) -> FileMetadata:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, form, **more)
    return from_info(Image.open(io.BytesIO(out.getvalue()), formats=[form]).info)


def camera(**tags: object) -> bytes:
    block = Image.Exif()
    for name, value in tags.items():
        block[getattr(exif, name)] = value
    return block.tobytes()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_xmp_is_found_in_each_container(form: str) -> None:
    found = reopened(form, xmp=XMP.encode()) if form != "PNG" else from_info({"xmp": XMP.encode()})
    assert found.caption == Said(text="A cat on a wall", source="xmp")
    assert found.alt_text == Said(text="Tabby cat sitting", source="xmp", locale="en")
    assert found.title == Said(text="Cat & wall", source="xmp")
    assert [k.text for k in found.keywords] == ["cat", "猫"]
    assert found.taken == Said(text="2024-05-06T07:08:09+02:00", source="xmp")
    assert found.warnings == ()


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_exif_gives_description_date_and_orientation(form: str) -> None:
    block = camera(DESCRIPTION="A street in Rome", DATE="2021:02:03 04:05:06", ORIENTATION=6)
    found = reopened(form, exif=block)
    assert found.caption == Said(text="A street in Rome", source="exif")
    assert (found.orientation, found.taken) == (6, Said(text="2021-02-03T04:05:06", source="exif"))


def test_windows_fields_of_exif() -> None:
    found = read_metadata(
        exif_block=camera(XP_TITLE="Straße".encode("utf-16-le") + b"\0\0", XP_KEYWORDS="a;b".encode("utf-16-le") + b"\0\0")
    )
    assert found.title == Said(text="Straße", source="exif")
    assert [k.text for k in found.keywords] == ["a", "b"]


def test_iptc_in_a_photoshop_block_and_bare() -> None:
    block = iim(
        (1, 90, b"\x1b%G"),
        (2, 5, b"Title"),
        (2, 25, b"one"),
        (2, 25, "zwölf".encode()),
        (2, 120, b"A caption"),
        (2, 55, b"20200102"),
    )
    for given_block in (block, photoshop(block)):
        found = read_metadata(iptc_block=given_block)
        assert found.caption == Said(text="A caption", source="iptc")
        assert found.title == Said(text="Title", source="iptc")
        assert [k.text for k in found.keywords] == ["one", "zwölf"]
        assert found.taken == Said(text="2020-01-02T00:00:00", source="iptc")
    assert from_info({"photoshop": {iptc.IPTC_RESOURCE: block}}).title == Said(text="Title", source="iptc")
    assert read_metadata(iptc_block=iim((2, 120, "Café".encode("latin-1")))).caption == Said(text="Café", source="iptc")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("It’s “Café” – 5 €".encode("cp1252"), "It’s “Café” – 5 €"),
        ("It’s “Café” – 5 €".encode(), "It’s “Café” – 5 €"),
        (b"Caf\xe9 \x81", "Café"),  # a byte that Windows-1252 leaves undefined
    ],
)
def test_a_text_without_a_mark_of_its_encoding_is_utf8_or_windows(raw: bytes, text: str) -> None:
    assert (said := read_metadata(iptc_block=iim((2, 120, raw))).caption)
    assert said.text == text
    assert (said := read_metadata(exif_block=exif.pack({exif.DESCRIPTION: raw})).caption)
    assert said.text == text


@pytest.mark.parametrize("form", IPTC_FORMS)
def test_iptc_is_found_in_every_form_of_a_file(form: str) -> None:
    data = IPTC_FORMS[form](iim((2, 120, b"A caption"), (2, 25, b"one")))
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        found = from_info(image.info)
    assert found.caption == Said(text="A caption", source="iptc")
    assert [k.text for k in found.keywords] == ["one"]


def test_an_extended_data_set_does_not_hide_those_behind_it() -> None:
    extended = b"\x1c\x02\xca\x80\x04" + (70_000).to_bytes(4, "big") + bytes(70_000)
    assert read_metadata(iptc_block=extended + iim((2, 120, b"A caption"))).caption == Said(text="A caption", source="iptc")


@pytest.mark.parametrize(
    ("keyword", "text", "field", "said"),
    [
        ("Description", "A caption", "caption", "A caption"),
        ("Title", "A title", "title", "A title"),
        ("Comment", "Created with GIMP", "caption", None),
        ("Software", "A program", "caption", None),
        ("Raw profile type iptc", "\niptc\n  99\nnot hexadecimal", "caption", None),
        ("Raw profile type iptc", "", "caption", None),
    ],
)
def test_texts_of_png(keyword: str, text: str, field: str, said: str | None) -> None:
    with Image.open(io.BytesIO(png_with(keyword, text, "tEXt"))) as image:
        found = getattr(from_info(image.info), field)
    assert found == (None if said is None else Said(text=said, source="comment"))


def test_the_newer_standard_wins() -> None:
    found = read_metadata(xmp_packet=XMP.encode(), iptc_block=iim((2, 120, b"older")), exif_block=camera(DESCRIPTION="oldest"))
    assert found.caption == Said(text="A cat on a wall", source="xmp")
    assert read_metadata(iptc_block=iim((2, 120, b"older")), exif_block=camera(DESCRIPTION="oldest")).caption == Said(
        text="older", source="iptc"
    )


@pytest.mark.parametrize("text", ["OLYMPUS DIGITAL CAMERA", "   ", "SONY DSC"])
def test_what_a_camera_writes_is_no_caption(text: str) -> None:
    assert read_metadata(exif_block=camera(DESCRIPTION=text)).caption is None


def test_control_characters_and_line_breaks_do_not_come_through() -> None:
    assert read_metadata(iptc_block=iim((2, 120, b"a\x07b\r\nc\x1b"))).caption == Said(text="a b c", source="iptc")


@pytest.mark.parametrize(
    "packet",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><x/>',
        "<x>&undefined;</x>",
        "<x><y></x>",
        "<a>" * 500,
        "not xml",
        " " * (2 << 20) + "<x/>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_hostile_xmp_is_refused_and_the_rest_is_read(packet: str, encoding: str) -> None:
    with pytest.raises(XmpRefused):
        read_xmp(packet.encode(encoding))
    found = read_metadata(xmp_packet=packet.encode(encoding), iptc_block=iim((2, 120, b"still here")))
    assert found.caption == Said(text="still here", source="iptc")
    assert len(found.warnings) == 1


def test_a_directory_that_points_at_itself_ends() -> None:
    loop = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + struct.pack("<HHII", exif.EXIF_DIRECTORY, 4, 1, 8)
    assert read_metadata(exif_block=loop).orientation == 1


@pytest.mark.parametrize("turned", [0, 9, 65535])
def test_an_orientation_outside_the_standard_is_upright(turned: int) -> None:
    assert read_metadata(exif_block=camera(ORIENTATION=turned)).orientation == 1


GOOD = camera(DESCRIPTION="A street", ORIENTATION=3, DATE="2021:02:03 04:05:06")


@given(st.binary(max_size=200), st.integers(0, len(GOOD)))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_passed_over(noise: bytes, cut: int) -> None:
    for block in (
        noise,
        GOOD[:cut] + noise,
        b"Exif\0\0II*\0" + noise,
        b"8BIM" + noise,
        b"\x1c\x02\x78" + noise,
        XMP.encode()[:cut] + noise,
    ):
        found = read_metadata(exif_block=block, iptc_block=block, xmp_packet=block)
        assert 1 <= found.orientation <= 8


@pytest.mark.parametrize(
    "text",
    [
        "Made with love",
        "\u2764 Made with love \u2764",
        "*** made with Canva ***",
        "This image was created with Tool 3",
        "Powered by Site",
        "Photo edited using App",
        "Software: App 2.1",
        "https://example.org/",
        "www.example.org",
        "Exported from App",
        "Lavc58.54.100",
        "Optimized by JPEGmini 3.14.2.99649767 0x7c2bd5ad",
        "Designed with App",
        "- created with GIMP -",
    ],
)
def test_what_a_program_leaves_in_a_comment_is_no_caption(text: str) -> None:
    assert read_metadata(texts={"caption": [text]}).caption is None
    assert read_metadata(texts={"caption": [text, "Our school"]}).caption == Said(text="Our school", source="comment")


@pytest.mark.parametrize(
    "text",
    [
        "Made by the children of class 3",
        "Drawn by Anna",
        "Photo of a cat with a hat",
        "Love is in the air",
        "Image of the bridge",
        "A cake made with love",
        "Produced by our farmers",
        "Edited volume, 1923",
        "See https://example.org/ for the whole series",
    ],
)
def test_what_a_person_writes_into_a_comment_is_a_caption(text: str) -> None:
    assert read_metadata(texts={"caption": [text]}).caption == Said(text=text, source="comment")
