"""Metadata in the text chunks of PNG: raw profiles (ImageMagick's hexadecimal form of IPTC, EXIF and XMP), and plain texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RAW = "raw profile type "
MAX_PROFILE = 4 << 20  # characters of one profile's text
XMP_IN_APP1 = b"http://ns.adobe.com/xap/1.0/\0"
CAPTIONS, TITLES = ("description", "comment"), ("title",)  # keywords of the PNG specification


@dataclass(frozen=True, kw_only=True)
class PngTexts:
    exif: bytes = b""
    iptc: bytes = b""
    xmp: bytes = b""
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)  # "caption", "title" → every text, in order


def read(chunks: Sequence[tuple[str, str]]) -> PngTexts:
    """`chunks`: keyword and text, of tEXt, zTXt and iTXt; a keyword may come twice. A broken profile counts as absent."""
    plain: dict[str, list[str]] = {}
    for key, text in chunks:
        plain.setdefault(key.strip().lower(), []).append(text)
    raw = {key.removeprefix(RAW): _bytes(every[0]) for key, every in plain.items() if key.startswith(RAW)}
    app1 = raw.get("app1", b"")
    in_app1 = app1.startswith(XMP_IN_APP1)
    texts = {
        name: found
        for name, keys in (("caption", CAPTIONS), ("title", TITLES))
        if (found := tuple(text for key in keys for text in plain.get(key, ()) if text.strip()))
    }
    return PngTexts(
        exif=raw.get("exif", b"") or (b"" if in_app1 else app1),
        iptc=raw.get("iptc", b"") or raw.get("8bim", b"") or raw.get("app13", b""),
        xmp=raw.get("xmp", b"") or (app1.removeprefix(XMP_IN_APP1) if in_app1 else b""),
        texts=texts,
    )


def _bytes(text: str) -> bytes:
    """A name, a length, then hexadecimal digits over many lines."""
    try:
        _name, length, digits = text[:MAX_PROFILE].split(None, 2)
        return bytes.fromhex(digits)[: int(length)]
    except ValueError:
        return b""
