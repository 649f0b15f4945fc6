"""Metadata in the text chunks of PNG: raw profiles (ImageMagick's hexadecimal form of IPTC, EXIF and XMP), and plain texts."""

from __future__ import annotations

from collections.abc import Mapping
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
    texts: Mapping[str, str] = field(default_factory=dict)  # "caption", "title"


def read(chunks: Mapping[str, str]) -> PngTexts:
    """`chunks`: keyword → text, of tEXt, zTXt and iTXt alike. A profile that is broken counts as absent."""
    plain = {key.strip().lower(): text for key, text in chunks.items()}
    raw = {key.removeprefix(RAW): _bytes(text) for key, text in plain.items() if key.startswith(RAW)}
    app1 = raw.get("app1", b"")
    in_app1 = app1.startswith(XMP_IN_APP1)
    texts = {
        name: found
        for name, keys in (("caption", CAPTIONS), ("title", TITLES))
        if (found := next((plain[key] for key in keys if plain.get(key, "").strip()), ""))
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
