"""What a file says about itself: caption, keywords, alt text, title, date, orientation, each with its source.

Context only: an EXIF caption may come from a camera ("OLYMPUS DIGITAL CAMERA") or a person, and nothing tells which.
Pure: takes the raw blocks, as Pillow's `Image.info` holds them. A block that is broken is passed over and named in `warnings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from tagger import exif, iptc, xmp
from tagger.asset import Context

Source = Literal["xmp", "iptc", "exif"]
MAX_TEXT = 4_000  # characters kept of one text
MAX_KEYWORDS = 200
# What cameras and programs write without anybody's intent.
BOILERPLATE = ("olympus digital camera", "digital camera", "sony dsc", "minolta digital camera", "kodak digital still camera",
               "exif_jpeg_picture", "created with gimp", "screenshot", "default", "jpeg", "charset=ascii")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Said:
    """A text and who said it."""

    text: str
    source: Source
    locale: str = ""  # BCP 47 where the block names one


@dataclass(frozen=True, kw_only=True)
class FileMetadata:
    caption: Said | None = None
    alt_text: Said | None = None
    title: Said | None = None
    keywords: tuple[Said, ...] = ()
    taken: Said | None = None  # ISO 8601; without a zone where the file names none
    orientation: int = 1  # EXIF, 1..8
    warnings: tuple[str, ...] = ()


def beside(context: Context, said: FileMetadata) -> Context:
    """The context, with what the file says where the CMS said nothing. A file's alt text stands for a missing caption."""
    own = said.caption or said.alt_text
    return replace(
        context,
        caption=context.caption if context.caption is not None else own.text if own else None,
        title=context.title if context.title is not None else said.title.text if said.title else None,
    )


def told(context: Context, said: FileMetadata) -> tuple[str, ...]:
    """What was read from the file and taken as context, each with its source, as a person reads it in the job."""
    used = [("caption", said.caption or said.alt_text, context.caption), ("title", said.title, context.title)]
    parts = [f"{name} ({one.source})" for name, one, supplied in used if one is not None and supplied is None]
    if said.keywords:
        parts.append(f"{len(said.keywords)} keywords ({', '.join(sorted({k.source for k in said.keywords}))})")
    if said.taken is not None:
        parts.append(f"taken {said.taken.text} ({said.taken.source})")
    read = (f"Read from the file as context: {'; '.join(parts)}.",) if parts else ()
    return (*read, *said.warnings)


def from_info(info: Mapping[str, Any]) -> FileMetadata:
    """From `Image.info`: keys `exif`, `xmp` (or `XML:com.adobe.xmp`), `photoshop` (JPEG: resource number → bytes) and `iptc`."""
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
    resources = info.get("photoshop")
    blocks = resources.get(iptc.IPTC_RESOURCE, b"") if isinstance(resources, Mapping) else resources
    return read(
        exif_block=_bytes(info.get("exif")), xmp_packet=_bytes(packet), iptc_block=_bytes(blocks) or _bytes(info.get("iptc"))
    )


def read(*, exif_block: bytes = b"", xmp_packet: bytes = b"", iptc_block: bytes = b"") -> FileMetadata:
    """XMP wins over IPTC, and IPTC over EXIF: the newer standards are the ones that editors' programs write."""
    warnings: list[str] = []
    by_xmp: Mapping[str, list[xmp.Value]] = {}
    if xmp_packet:
        try:
            by_xmp = xmp.read(xmp_packet)
        except xmp.XmpRefused as err:
            warnings.append(str(err))
    by_iptc = iptc.read(iptc_block) if iptc_block else {}
    by_exif = exif.read(exif_block) if exif_block else {}
    if exif_block and not by_exif:
        warnings.append("The EXIF block cannot be read.")
    turned = by_exif.get(exif.ORIENTATION)
    return FileMetadata(
        caption=_first(
            _xmp(by_xmp, xmp.DESCRIPTION), _iptc(by_iptc, iptc.CAPTION), _exif(by_exif, exif.DESCRIPTION, exif.XP_COMMENT)
        ),
        alt_text=_first(_xmp(by_xmp, xmp.ALT_TEXT)),
        title=_first(
            _xmp(by_xmp, xmp.TITLE, xmp.HEADLINE), _iptc(by_iptc, iptc.TITLE, iptc.HEADLINE), _exif(by_exif, exif.XP_TITLE)
        ),
        keywords=_keywords(by_xmp, by_iptc, by_exif),
        taken=_taken(by_xmp, by_iptc, by_exif),
        orientation=turned if isinstance(turned, int) and 1 <= turned <= 8 else 1,
        warnings=tuple(warnings),
    )


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    return bytes(value) if isinstance(value, (bytes, bytearray)) else b""


def _said(text: str, source: Source, locale: str = "") -> Said | None:
    """None for nothing, and for what no person meant to say."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_TEXT]
    return None if not plain or plain.lower() in BOILERPLATE else Said(text=plain, source=source, locale=locale)


def _first(*found: list[Said]) -> Said | None:
    return next((said for some in found for said in some), None)


def _xmp(found: Mapping[str, list[xmp.Value]], *names: str) -> list[Said]:
    return [said for name in names for v in found.get(name, ()) if (said := _said(v.text, "xmp", v.locale))]


def _iptc(found: Mapping[int, list[str]], *numbers: int) -> list[Said]:
    return [said for number in numbers for text in found.get(number, ()) if (said := _said(text, "iptc"))]


def _exif(found: Mapping[int, int | bytes], *tags: int) -> list[Said]:
    values = [(tag, found[tag]) for tag in tags if tag in found]
    return [said for tag, raw in values if isinstance(raw, bytes) and (said := _said(_decoded(tag, raw), "exif"))]


def _decoded(tag: int, raw: bytes) -> str:
    if tag in (exif.XP_TITLE, exif.XP_COMMENT, exif.XP_KEYWORDS):
        return raw.decode("utf-16-le", "replace").partition("\0")[0]
    text = raw.partition(b"\0")[0]
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _keywords(
    by_xmp: Mapping[str, list[xmp.Value]], by_iptc: Mapping[int, list[str]], by_exif: Mapping[int, int | bytes]
) -> tuple[Said, ...]:
    windows = [
        said for joined in _exif(by_exif, exif.XP_KEYWORDS) for word in joined.text.split(";") if (said := _said(word, "exif"))
    ]
    every = [*_xmp(by_xmp, xmp.SUBJECT), *_iptc(by_iptc, iptc.KEYWORD), *windows]
    unique: dict[str, Said] = {}
    for said in every:
        unique.setdefault(said.text.casefold(), said)
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
