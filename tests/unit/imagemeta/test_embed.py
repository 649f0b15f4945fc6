"""Words into copies of image files: read back by Pillow and by our own reader, and not a pixel changed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tagger.errors import EmbedRefused
from tagger.file_metadata import FileMetadata
from tagger.imagemeta.embed import embed
from tagger.imagemeta.read import from_info
from tagger.imagemeta.xmp_packet import Words

WORDS = Words(locale="en", caption="A cup of espresso.", alt_text="Espresso in a red cup", keywords=("coffee", "咖啡"))


def picture(form: str, mode: str = "RGB", **options: object) -> bytes:
    rows = np.random.default_rng(7).integers(0, 256, (37, 53, 4 if mode == "RGBA" else 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(rows).save(out, form, **options)
    return out.getvalue()


EXIF = Image.Exif()
EXIF[0x0112] = 6
EXIF[0x010E] = "OLYMPUS DIGITAL CAMERA"  # which no person meant
FILES = {
    "jpeg": picture("JPEG"),
    "jpeg-exif": picture("JPEG", exif=EXIF),
    "jpeg-progressive": picture("JPEG", progressive=True, icc_profile=b"profile" * 3000),
    "png": picture("PNG"),
    "png-alpha": picture("PNG", "RGBA", exif=EXIF),
    "webp-lossy": picture("WEBP"),
    "webp-lossless": picture("WEBP", lossless=True),
    "webp-alpha": picture("WEBP", "RGBA", lossless=True),
    "webp-exif": picture("WEBP", exif=EXIF),
}


def pixels(data: bytes) -> tuple[str, bytes]:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.mode, image.tobytes()


def said(data: bytes) -> FileMetadata:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return from_info(image.info)


@pytest.mark.parametrize("name", FILES)
def test_the_words_are_read_back_and_no_pixel_changed(name: str) -> None:
    made = embed(FILES[name], WORDS)
    assert made.outcomes == {"caption": "written", "alt_text": "written", "keywords": "written"}
    found = said(made.data)
    assert (found.caption and found.caption.text, found.caption and found.caption.source) == ("A cup of espresso.", "xmp")
    assert found.alt_text is not None
    assert found.alt_text.text == "Espresso in a red cup"
    assert [k.text for k in found.keywords] == ["coffee", "咖啡"]
    assert pixels(made.data) == pixels(FILES[name])


@pytest.mark.parametrize("name", FILES)
def test_everything_else_of_the_file_stays(name: str) -> None:
    def others(data: bytes) -> dict[str, object]:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return {k: v for k, v in image.info.items() if k not in ("xmp", "XML:com.adobe.xmp")} | {"format": image.format}

    assert others(embed(FILES[name], WORDS).data) == others(FILES[name])


@pytest.mark.parametrize("name", FILES)
def test_a_second_time_changes_nothing_and_new_words_replace_ours(name: str) -> None:
    once = embed(FILES[name], WORDS)
    again = embed(once.data, WORDS)
    assert again.data == once.data
    assert set(again.outcomes.values()) == {"unchanged"}
    newer = embed(once.data, Words(locale="en", caption="An espresso."))
    assert newer.outcomes == {"caption": "written"}
    found = said(newer.data)
    assert (found.caption and found.caption.text) == "An espresso."
    assert (found.alt_text and found.alt_text.text) == "Espresso in a red cup"


def packet(inside: str, attributes: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/"'
        f"{attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_what_a_person_wrote_is_kept(form: str) -> None:
    theirs = packet(
        "<dc:description><rdf:Alt><rdf:li xml:lang='x-default'>Grandma's cup</rdf:li></rdf:Alt></dc:description>"
        "<dc:subject><rdf:Bag><rdf:li>family</rdf:li><rdf:li>Coffee</rdf:li></rdf:Bag></dc:subject><lr:rating>5</lr:rating>"
    )
    if form == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", theirs.decode(), zip=True)
        before = picture("PNG", pnginfo=info)
    else:
        before = picture(form, xmp=theirs)
    made = embed(before, WORDS)
    assert made.outcomes == {"caption": "kept", "alt_text": "written", "keywords": "written"}
    found = said(made.data)
    assert (found.caption and found.caption.text) == "Grandma's cup"
    assert [k.text for k in found.keywords] == ["family", "Coffee", "咖啡"]
    assert b"http://ns.adobe.com/lightroom/1.0/" in made.data
    assert b"rating>5<" in made.data


def test_an_edit_of_our_words_makes_them_theirs() -> None:
    ours = embed(FILES["jpeg"], WORDS).data
    edited = ours.replace(b"A cup of espresso.", b"Grandma's espress.")
    made = embed(edited, Words(locale="en", caption="An espresso."))
    assert made.outcomes == {"caption": "kept"}
    found = said(made.data)
    assert (found.caption and found.caption.text) == "Grandma's espress."


def test_a_caption_in_an_attribute_counts_as_theirs() -> None:
    before = picture("JPEG", xmp=packet("", ' dc:description="Grandma\'s cup"'))
    assert embed(before, WORDS).outcomes["caption"] == "kept"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GIF89a...", "Neither"),
        (b"", "Neither"),
        (FILES["jpeg"][:3], "too early"),
        (FILES["png"][:60], "too early"),
        (FILES["webp-lossy"][:40], "too early"),
        (picture("JPEG", xmp=b"<!DOCTYPE x [<!ENTITY a 'b'>]><x/>"), "DOCTYPE"),
        (picture("JPEG", xmp=b"<broken"), "well-formed"),
    ],
)
def test_what_cannot_be_embedded_is_refused_with_a_remedy(data: bytes, why: str) -> None:
    with pytest.raises(EmbedRefused, match=why) as caught:
        embed(data, WORDS)
    assert caught.value.info().remedy


@settings(max_examples=150, deadline=None)
@given(data=st.sampled_from(sorted(FILES)).map(FILES.__getitem__), cut=st.integers(0, 400), noise=st.binary(max_size=12))
def test_broken_files_are_refused_or_embedded_but_nothing_else(data: bytes, cut: int, noise: bytes) -> None:
    broken = data[:cut] + noise + data[cut + len(noise) :]
    try:
        made = embed(broken, WORDS)
    except EmbedRefused:
        return
    as_before = "kept" if made.outcomes["caption"] == "kept" else "unchanged"  # noise may turn boilerplate into a text
    assert embed(made.data, WORDS).outcomes["caption"] == as_before


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=80).filter(str.strip))
def test_any_text_survives_or_is_refused(text: str) -> None:
    try:
        made = embed(FILES["png"], Words(locale="zh-Hans", alt_text=text))
    except EmbedRefused:
        return
    assert embed(made.data, Words(locale="zh-Hans", alt_text=text)).outcomes == {"alt_text": "unchanged"}
