"""What people wrote into a file stays in its copy, whichever part of the file holds it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from PIL import Image
from support.blocks import IPTC_FORMS, exif, extended, iim, jpeg_with, picture, png_chunk, png_with, raw_profile

from tagger.errors import EmbedRefused
from tagger.file_metadata import FileMetadata
from tagger.imagemeta.containers import opened
from tagger.imagemeta.embed import embed
from tagger.imagemeta.read import blocks_of, from_info, read_metadata
from tagger.imagemeta.xmp_packet import Words

WORDS = Words(locale="en", caption="A cup of espresso.", alt_text="Espresso in a red cup", keywords=("coffee", "Jury"))
THEIRS = "Board meeting, third floor"
XP = 0x9C9C


def said(data: bytes) -> FileMetadata:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return from_info(image.info)


def xmp(inside: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/">'
        f"{inside}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


EXIF_BLOCKS = {
    "ImageDescription": exif({0x010E: THEIRS}),
    "XPComment": exif({XP: THEIRS.encode("utf-16-le") + b"\0\0"}),
    "UserComment": exif({0x9286: b"ASCII\0\0\0" + THEIRS.encode()}),
    "UserComment, Unicode": exif({0x9286: b"UNICODE\0" + THEIRS.encode("utf-16-le")}),
    "UserComment, big-endian": exif({0x9286: b"UNICODE\0" + THEIRS.encode("utf-16-be")}),
    "UserComment without a mark": exif({0x9286: THEIRS.encode()}),
}
CASES: dict[str, bytes] = {
    **{f"IPTC, {form}": make(iim((2, 120, THEIRS.encode()))) for form, make in IPTC_FORMS.items()},
    **{f"{tag}, {form}": picture(form, exif=block) for tag, block in EXIF_BLOCKS.items() for form in ("JPEG", "PNG", "WEBP")},
    "EXIF, raw profile": png_with("Raw profile type exif", raw_profile("exif", EXIF_BLOCKS["ImageDescription"]), "zTXt"),
    "EXIF behind the pixels": png_chunk(picture("PNG"), b"eXIf", EXIF_BLOCKS["ImageDescription"].removeprefix(b"Exif\0\0")),
    "Description, tEXt": png_with("Description", THEIRS, "tEXt"),
    "Comment, iTXt": png_with("Comment", THEIRS, "iTXt"),
    "JPEG comment": jpeg_with(0xFE, THEIRS.encode()),
    "tiff:ImageDescription": picture("JPEG", xmp=xmp(f"<tiff:ImageDescription>{THEIRS}</tiff:ImageDescription>")),
    "exif:UserComment": picture("WEBP", xmp=xmp(f"<exif:UserComment>{THEIRS}</exif:UserComment>")),
}


@pytest.mark.parametrize("place", CASES)
def test_a_caption_is_kept_wherever_it_stands(place: str) -> None:
    before = CASES[place]
    assert said(before).caption is not None, "the case holds what it says"
    made = embed(before, WORDS)
    assert made.outcomes["caption"] == "kept"
    assert made.outcomes["alt_text"] == "written"
    found = said(made.data)
    assert (found.caption and found.caption.text) == THEIRS, "the copy says what the photographer said"
    assert (found.alt_text and found.alt_text.text) == "Espresso in a red cup"
    assert b"A cup of espresso." not in made.data


@pytest.mark.parametrize("form", IPTC_FORMS)
def test_keywords_of_iptc_are_kept_and_shown_beside_ours(form: str) -> None:
    before = IPTC_FORMS[form](iim((2, 25, b"jury"), (2, 25, "Zürich".encode("cp1252"))))
    made = embed(before, WORDS)
    assert made.outcomes == {"caption": "written", "alt_text": "written", "keywords": "written"}
    found = said(made.data)
    assert [(k.text, k.source) for k in found.keywords] == [("jury", "xmp"), ("Zürich", "xmp"), ("coffee", "xmp")]
    again = embed(made.data, WORDS)
    assert (again.data, again.outcomes["keywords"]) == (made.data, "unchanged")
    with Image.open(io.BytesIO(before)) as old, Image.open(io.BytesIO(made.data)) as new:
        old.load(), new.load()
        assert blocks_of(old.info).iptc == blocks_of(new.info).iptc != b""


FOREIGN = {"gbk": "建筑设计", "shift_jis": "東京タワー", "cp1251": "Кошка", "big5": "臺北故宮"}


@pytest.mark.parametrize("encoding", FOREIGN)
@pytest.mark.parametrize("form", IPTC_FORMS)
def test_keywords_in_an_unknown_encoding_are_neither_copied_wrong_nor_hidden(form: str, encoding: str) -> None:
    """Windows-1252 makes letters of all of them. Beside a list of ours, most programs would show no others."""
    before = IPTC_FORMS[form](iim((2, 25, b"jury"), (2, 25, FOREIGN[encoding].encode(encoding))))
    made = embed(before, WORDS)
    assert made.outcomes == {"caption": "written", "alt_text": "written", "keywords": "kept"}
    assert b"dc:subject" not in made.data
    with Image.open(io.BytesIO(before)) as old, Image.open(io.BytesIO(made.data)) as new:
        old.load(), new.load()
        assert blocks_of(old.info).iptc == blocks_of(new.info).iptc != b""


def test_beside_keywords_in_xmp_ours_hide_nothing() -> None:
    packet = '<dc:subject xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Bag><rdf:li>建筑</rdf:li></rdf:Bag></dc:subject>'
    before = next(iter(IPTC_FORMS.values()))(iim((2, 25, "建筑".encode("gbk"))))
    made = embed(opened(before).with_xmp(xmp(packet)), WORDS)
    assert made.outcomes["keywords"] == "written"
    assert [word.text for word in read_metadata(xmp_packet=xmp_of(made.data)).keywords] == ["建筑", "coffee", "Jury"]


@pytest.mark.parametrize("word", ["Zürich", "créée", "Œuvre", "Ærø", "naïveté", "2020 – été"])
def test_a_western_keyword_is_read(word: str) -> None:
    before = next(iter(IPTC_FORMS.values()))(iim((2, 25, word.encode("cp1252"))))
    assert word in [keyword.text for keyword in said(embed(before, WORDS).data).keywords]


@pytest.mark.parametrize(
    "add",
    [
        lambda ours: jpeg_with(
            0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x1f" + iim((2, 120, THEIRS.encode())) + b"\0", ours
        ),
        lambda ours: jpeg_with(0xE1, EXIF_BLOCKS["ImageDescription"], ours),
    ],
)
def test_a_caption_that_somebody_adds_later_is_not_hidden_behind_ours(add: Callable[[bytes], bytes]) -> None:
    ours = embed(picture("JPEG"), WORDS).data
    edited = add(ours)
    assert (c := said(edited).caption)
    assert c.text == "A cup of espresso.", "XMP comes first for readers"
    made = embed(edited, WORDS)
    assert made.outcomes["caption"] == "kept"
    assert (c := said(made.data).caption)
    assert c.text == THEIRS


def test_what_somebody_removed_stays_away() -> None:
    ours = embed(picture("JPEG"), WORDS).data
    without = ours.replace(b"<rdf:li>coffee</rdf:li>", b"<!--" + b" " * 16 + b"-->", 1)
    without = without.replace(b"A cup of espresso.", b" " * 18)
    assert len(without) == len(ours)
    made = embed(without, WORDS)
    assert made.outcomes == {"caption": "kept", "alt_text": "unchanged", "keywords": "kept"}
    found = said(made.data)
    assert found.caption is None
    assert [k.text for k in found.keywords] == ["Jury"]


@pytest.mark.parametrize("text", [b"OLYMPUS DIGITAL CAMERA", b"CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 82"])
def test_what_a_program_wrote_is_nobodys_caption(text: bytes) -> None:
    assert embed(jpeg_with(0xFE, text), WORDS).outcomes["caption"] == "written"


def test_xmp_in_a_raw_profile_goes_on_in_the_new_packet() -> None:
    theirs = xmp("<tiff:Artist>Ansel</tiff:Artist>").replace(
        b"xmlns:tiff", b'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff'
    )
    theirs = theirs.replace(b"<tiff:Artist>", b"<dc:description>" + THEIRS.encode() + b"</dc:description><tiff:Artist>")
    made = embed(png_with("Raw profile type xmp", raw_profile("xmp", theirs), "zTXt"), WORDS)
    assert made.outcomes["caption"] == "kept"
    assert b">Ansel<" in made.data
    assert (c := said(made.data).caption)
    assert c.text == THEIRS


def test_a_file_with_two_packets_is_refused() -> None:
    twice = jpeg_with(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(""), picture("JPEG", xmp=xmp("")))
    with pytest.raises(EmbedRefused, match="two XMP packets"):
        embed(twice, WORDS)


ENCODER = b"CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 90"


@pytest.mark.parametrize(
    "data",
    [
        jpeg_with(0xFE, THEIRS.encode(), jpeg_with(0xFE, ENCODER)),
        jpeg_with(0xFE, ENCODER, jpeg_with(0xFE, THEIRS.encode())),
        png_chunk(png_with("Description", "Screenshot", "tEXt"), b"tEXt", b"Comment\0" + THEIRS.encode()),
        png_chunk(png_with("Comment", "Created with GIMP", "tEXt"), b"tEXt", b"Comment\0" + THEIRS.encode()),
        png_chunk(png_with("Comment", THEIRS, "iTXt"), b"tEXt", b"Comment\0Created with GIMP"),
    ],
    ids=["comment behind", "comment before", "other keyword", "same keyword, behind", "same keyword, before"],
)
def test_a_caption_is_kept_beside_what_a_program_wrote(data: bytes) -> None:
    made = embed(data, WORDS)
    assert made.outcomes["caption"] == "kept"
    assert b"A cup of espresso." not in made.data


def dublin_core(inside: str) -> bytes:
    return xmp(inside.replace("<dc:description", '<dc:description xmlns:dc="http://purl.org/dc/elements/1.1/"'))


def test_a_caption_of_a_camera_in_xmp_is_nobody_s() -> None:
    """Lightroom puts there what the camera wrote into EXIF."""
    before = picture("JPEG", xmp=dublin_core("<dc:description>OLYMPUS DIGITAL CAMERA</dc:description>"))
    assert embed(before, WORDS).outcomes["caption"] == "written"


@pytest.mark.parametrize(
    "value",
    [
        '<rdf:Description rdf:value="{}"/>',
        '<rdf:Alt><rdf:li xml:lang="x-default"><rdf:Description rdf:value="{}"/></rdf:li></rdf:Alt>',
        '<rdf:Alt><rdf:li rdf:parseType="Resource"><rdf:value>{}</rdf:value></rdf:li></rdf:Alt>',
    ],
)
def test_a_caption_with_qualifiers_is_kept(value: str) -> None:
    before = picture("JPEG", xmp=dublin_core(f"<dc:description>{value.format(THEIRS)}</dc:description>"))
    made = embed(before, WORDS)
    assert made.outcomes["caption"] == "kept"
    assert THEIRS.encode() in made.data


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_caption_in_a_packet_of_utf_16_is_kept(encoding: str) -> None:
    packet = ("\ufeff" + dublin_core(f"<dc:description>{THEIRS}</dc:description>").decode()).encode(encoding)
    assert embed(opened(picture("PNG")).with_xmp(packet), WORDS).outcomes == {
        "caption": "kept",
        "alt_text": "written",
        "keywords": "written",
    }


def test_a_keyword_of_iptc_that_somebody_took_off_a_copy_stays_off() -> None:
    before = next(iter(IPTC_FORMS.values()))(iim((2, 25, b"jury"), (2, 25, b"kitchen")))
    copy = embed(before, WORDS, source="a" * 64).data
    first = copy.replace(b"<rdf:li>kitchen</rdf:li>", b"<rdf:li>       </rdf:li>", 1)  # the list of dc:subject stands first
    for _ in range(2):
        first = embed(first, WORDS, source="a" * 64).data
        assert "kitchen" not in [keyword.text for keyword in read_metadata(xmp_packet=xmp_of(first)).keywords]


def test_a_keyword_in_the_other_unicode_form_is_the_same_keyword() -> None:
    """A Mac writes `é` as two characters. The editors' spelling stays, and no second one comes beside it."""
    theirs = xmp(
        '<dc:subject xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Bag><rdf:li>cafe\u0301</rdf:li></rdf:Bag></dc:subject>'
    )
    made = embed(opened(picture("PNG")).with_xmp(theirs), replace(WORDS, keywords=("Caf\u00e9",)))
    assert [keyword.text for keyword in read_metadata(xmp_packet=xmp_of(made.data)).keywords] == ["cafe\u0301"]


def xmp_of(data: bytes) -> bytes:
    return data[data.index(b"<x:xmpmeta") : data.index(b"</x:xmpmeta>") + len(b"</x:xmpmeta>")]


ALT = "<rdf:Alt><rdf:li xml:lang='x-default'>{}</rdf:li></rdf:Alt>"
CAPTION = f"<dc:description>{ALT.format(THEIRS)}</dc:description>"


@pytest.mark.parametrize("form", [{}, {"as_element": True}, {"backwards": True}], ids=["attribute", "element", "any order"])
def test_texts_in_extended_xmp_are_kept(form: dict[str, bool]) -> None:
    alt = f"<Iptc4xmpCore:AltTextAccessibility>{ALT.format('Their alt text')}</Iptc4xmpCore:AltTextAccessibility>"
    words = "<dc:subject><rdf:Bag><rdf:li>Jury</rdf:li></rdf:Bag></dc:subject>"
    data = extended(CAPTION + alt + words, **form)
    made = embed(data, WORDS)
    assert (made.outcomes["caption"], made.outcomes["alt_text"]) == ("kept", "kept")
    assert opened(made.data).blocks.extended == opened(data).blocks.extended
    assert b"A cup of espresso." not in made.data
    found = read_metadata(xmp_packet=opened(data).blocks.xmp, extended_xmp=opened(data).blocks.extended)
    assert found.caption is not None
    assert (found.caption.text, [word.text for word in found.keywords]) == (THEIRS, ["Jury"])


def test_extended_xmp_without_a_text_leaves_room_for_ours() -> None:
    made = embed(extended("<dc:format>image/jpeg</dc:format>"), WORDS)
    assert (made.outcomes["caption"], made.outcomes["alt_text"]) == ("written", "written")


def test_extended_xmp_that_cannot_be_read_is_not_taken_for_none() -> None:
    with pytest.raises(EmbedRefused, match="well-formed"):
        embed(extended("<broken>"), WORDS)
