"""The metadata of a file: caption, keywords, alt text, title, date, orientation, each with its source.

It is only context: an EXIF caption may come from a camera ("OLYMPUS DIGITAL CAMERA") or from a person. Pure: it reads the raw
blocks from Pillow's `Image.info`. A broken block is skipped and named in `warnings`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tagger.catalog.labels import folded
from tagger.file_metadata import FileMetadata, Said, Source
from tagger.imagemeta import exif, iptc, png_text, xmp

MAX_TEXT = 4_000  # characters kept of one text
MAX_KEYWORDS = 200
NO_TEXTS: Mapping[str, Sequence[str]] = {}
# Texts that cameras and programs write automatically.
BOILERPLATE = ("olympus digital camera", "digital camera", "sony dsc", "minolta digital camera", "kodak digital still camera",
               "exif_jpeg_picture", "created with gimp", "screenshot", "default", "jpeg", "charset=ascii")  # fmt: skip
# Descriptions of scientific TIFF files, and what encoders write into the comments of JPEG, GIF and PNG.
FROM_PROGRAMS = re.compile(r'ImageJ=|<\?xml|<OME|\{\s*"')
# A person also writes "made by" and "drawn by", so those are left; "with love" is a program's, or says nothing of the picture.
FROM_ENCODERS = re.compile(
    r"[\W\d_]*(?:(?:this )?(?:image|picture|photo|file|graphic) (?:was |is |has been )?)?(?:creator:"
    r"|(?:created|made|edited|designed|drawn|rendered|scanned|built) (?:with|using)\b"
    r"|(?:generated|encoded|processed|resized|optimi[sz]ed|compressed|converted|exported|powered|uploaded)"
    r" (?:with|by|using|from|via)\b"
    r"|file (?:written|source)|lead technologies|intel\(r\)|lavc|lavf|apple ?mark|handmade software|gd-jpeg|xv version|paint\.net"
    r"|adobe (?:image|photoshop)|(?:jpeg )?quality\s*[=:]|(?:software|encoder|program)\s*:|(?:https?://|www\.)\S+$|$)",
    re.I,
)


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """The raw metadata of a file."""

    exif: bytes = b""
    iptc: bytes = b""
    xmp: bytes = b""
    extended: bytes = b""  # XMP that does not fit into one segment of a JPEG
    # "caption", "title" → what the text fields of the format itself hold, in order: a program and a person may each have one
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)


def blocks_of(info: Mapping[str, Any]) -> Blocks:
    """From `Image.info`: keys `exif`, `xmp`, `photoshop` (JPEG: resource number → bytes), `iptc`, `comment`, and texts of PNG."""
    png = png_text.read([(key, value) for key, value in info.items() if isinstance(value, str)])
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp") or png.xmp
    resources = info.get("photoshop")
    resource = resources.get(iptc.IPTC_RESOURCE, b"") if isinstance(resources, Mapping) else resources
    comment = info.get("comment")
    texts = {"caption": (exif.windows_text(comment),)} if isinstance(comment, bytes) else {}
    return Blocks(
        exif=_bytes(info.get("exif")) or png.exif,
        iptc=_bytes(resource) or _bytes(info.get("iptc")) or png.iptc,
        xmp=_bytes(packet),
        texts={**texts, **png.texts},
    )


def from_info(info: Mapping[str, Any]) -> FileMetadata:
    """What `Image.info` says; see `blocks_of`."""
    found = blocks_of(info)
    return read_metadata(exif_block=found.exif, xmp_packet=found.xmp, iptc_block=found.iptc, texts=found.texts)


def read_metadata(
    *,
    exif_block: bytes = b"",
    xmp_packet: bytes = b"",
    iptc_block: bytes = b"",
    texts: Mapping[str, Sequence[str]] = NO_TEXTS,
    extended_xmp: bytes = b"",
) -> FileMetadata:
    """XMP takes precedence over IPTC, IPTC over EXIF, and EXIF over a comment, because editing programs write the newer
    standards."""
    warnings: list[str] = []
    by_xmp: dict[str, list[xmp.Value]] = {}
    for packet, limit in ((xmp_packet, xmp.MAX_BYTES), (extended_xmp, xmp.MAX_EXTENDED)):
        try:
            for name, values in xmp.read(packet, limit).items() if packet else ():
                by_xmp.setdefault(name, []).extend(values)
        except xmp.XmpRefused as err:
            warnings.append(str(err))
    by_iptc = iptc.read(iptc_block) if iptc_block else {}
    by_exif = exif.read(exif_block) if exif_block else {}
    if exif_block and not by_exif:
        warnings.append("The EXIF block cannot be read.")
    turned = by_exif.get(exif.ORIENTATION)
    return FileMetadata(
        caption=_first(
            _xmp(by_xmp, xmp.DESCRIPTION),
            _iptc(by_iptc, iptc.CAPTION),
            _exif(by_exif, exif.DESCRIPTION, exif.XP_COMMENT, exif.USER_COMMENT),
            _xmp(by_xmp, xmp.TIFF_DESCRIPTION, xmp.USER_COMMENT),
            _own(texts, "caption"),
        ),
        alt_text=_first(_xmp(by_xmp, xmp.ALT_TEXT)),
        title=_first(
            _xmp(by_xmp, xmp.TITLE, xmp.HEADLINE),
            _iptc(by_iptc, iptc.TITLE, iptc.HEADLINE),
            _exif(by_exif, exif.XP_TITLE),
            _own(texts, "title"),
        ),
        keywords=_keywords(by_xmp, by_iptc, by_exif),
        taken=_taken(by_xmp, by_iptc, by_exif),
        orientation=turned if isinstance(turned, int) and 1 <= turned <= 8 else 1,
        warnings=tuple(warnings),
    )


def guesses(iptc_block: bytes) -> frozenset[str]:
    """The texts of `read_metadata` that IPTC holds in an unknown encoding, and that are probably wrong."""
    return frozenset(said.text for text in iptc.guesses(iptc_block) if (said := _said(text, "iptc")))


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    return bytes(value) if isinstance(value, (bytes, bytearray)) else b""


def meant(text: str) -> bool:
    """Whether a person may have written this. False for an empty text, and for texts of cameras and programs."""
    plain = text.strip()
    return bool(plain) and plain.lower() not in BOILERPLATE and not FROM_PROGRAMS.match(plain)


def _said(text: str, source: Source, locale: str = "") -> Said | None:
    """None for an empty text, and for a text that no person wrote."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_TEXT]
    return None if not meant(plain) else Said(text=plain, source=source, locale=locale)


def _first(*found: list[Said]) -> Said | None:
    return next((said for some in found for said in some), None)


def _xmp(found: Mapping[str, list[xmp.Value]], *names: str) -> list[Said]:
    return [said for name in names for v in found.get(name, ()) if (said := _said(v.text, "xmp", v.locale))]


def _iptc(found: Mapping[int, list[str]], *numbers: int) -> list[Said]:
    return [said for number in numbers for text in found.get(number, ()) if (said := _said(text, "iptc"))]


def _exif(found: Mapping[int, int | bytes], *tags: int) -> list[Said]:
    values = [(tag, found[tag]) for tag in tags if tag in found]
    return [said for tag, raw in values if isinstance(raw, bytes) and (said := _said(exif.text(tag, raw), "exif"))]


def _own(texts: Mapping[str, Sequence[str]], name: str) -> list[Said]:
    every = (_said(text, "comment") for text in texts.get(name, ()))
    return [said for said in every if said is not None and not FROM_ENCODERS.match(said.text)]


def _keywords(
    by_xmp: Mapping[str, list[xmp.Value]], by_iptc: Mapping[int, list[str]], by_exif: Mapping[int, int | bytes]
) -> tuple[Said, ...]:
    windows = [
        said for joined in _exif(by_exif, exif.XP_KEYWORDS) for word in joined.text.split(";") if (said := _said(word, "exif"))
    ]
    every = [*_xmp(by_xmp, xmp.SUBJECT), *_iptc(by_iptc, iptc.KEYWORD), *windows]
    unique: dict[str, Said] = {}
    for said in every:
        unique.setdefault(folded(said.text), said)
    return tuple(unique.values())[:MAX_KEYWORDS]


def _taken(
    by_xmp: Mapping[str, list[xmp.Value]], by_iptc: Mapping[int, list[str]], by_exif: Mapping[int, int | bytes]
) -> Said | None:
    found = [*_xmp(by_xmp, *xmp.DATES), *_exif(by_exif, exif.TAKEN, exif.DATE), *_iptc(by_iptc, iptc.DATE)]
    for said in found:
        for form in (None, "%Y:%m:%d %H:%M:%S", "%Y%m%d"):
            try:
                # The file names no zone; a zone that it names stays in the text.
                at = datetime.fromisoformat(said.text) if form is None else datetime.strptime(said.text, form)  # noqa: DTZ007
            except ValueError:
                continue
            return Said(text=at.isoformat(), source=said.source)
    return None
