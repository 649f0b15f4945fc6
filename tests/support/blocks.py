"""Raw metadata blocks and the places where files keep them, as other programs write them."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image
from PIL.PngImagePlugin import PngInfo


def iim(*sets: tuple[int, int, bytes]) -> bytes:
    """IPTC-IIM data sets: (record, number, value)."""
    return b"".join(struct.pack(">BBBH", 0x1C, record, number, len(value)) + value for record, number, value in sets)


def photoshop(block: bytes) -> bytes:
    """An IPTC block among Photoshop's resources, behind another one."""
    other = b"8BIM\x04\x25\x00\x00" + struct.pack(">I", 3) + b"abc\x00"
    return b"Photoshop 3.0\0" + other + b"8BIM\x04\x04\x00\x00" + struct.pack(">I", len(block)) + block + b"\0" * (len(block) % 2)


def exif(tags: dict[int, object]) -> bytes:
    block = Image.Exif()
    for tag, value in tags.items():
        block[tag] = value
    return block.tobytes()


def picture(form: str, size: tuple[int, int] = (53, 37), **options: object) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, form, **options)
    return out.getvalue()


def jpeg_with(marker: int, body: bytes, jpeg: bytes | None = None) -> bytes:
    """A JPEG with one more segment at its beginning."""
    jpeg = jpeg or picture("JPEG")
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + jpeg[2:]


def raw_profile(name: str, block: bytes) -> str:
    """ImageMagick's form of a block inside a text of a PNG."""
    digits = block.hex()
    lines = "\n".join(digits[n : n + 72] for n in range(0, len(digits), 72))
    return f"\n{name}\n{len(block):8}\n{lines}\n"


def png_with(keyword: str, text: str, kind: str) -> bytes:
    """A PNG with a text chunk: tEXt, zTXt, iTXt, or iTXt-z (compressed)."""
    info = PngInfo()
    if kind.startswith("iTXt"):
        info.add_itxt(keyword, text, zip=kind.endswith("z"))
    else:
        info.add_text(keyword, text, zip=kind == "zTXt")
    return picture("PNG", pnginfo=info)


def png_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    """The PNG with one more chunk before its end."""
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return png[:-12] + chunk + png[-12:]


IPTC_FORMS: dict[str, Callable[[bytes], bytes]] = {
    "jpeg": lambda block: jpeg_with(0xED, photoshop(block)),
    "png-zTXt": lambda block: png_with("Raw profile type iptc", raw_profile("iptc", photoshop(block)), "zTXt"),
    "png-tEXt": lambda block: png_with("Raw profile type iptc", raw_profile("iptc", block), "tEXt"),
    "png-iTXt": lambda block: png_with("Raw profile type iptc", raw_profile("iptc", block), "iTXt"),
    "png-iTXt-z": lambda block: png_with("Raw profile type 8bim", raw_profile("8bim", photoshop(block)[14:]), "iTXt-z"),
}


XMP_HEAD, EXTENDED_HEAD = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"


def xmp_packet(inside: str, more: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/" '
        f'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" {more}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def extended(inside: str, *, as_element: bool = False, backwards: bool = False) -> bytes:
    """A JPEG whose XMP goes on in segments of its own, as Adobe's programs write it beyond 64 KiB."""
    whole = xmp_packet(inside + f"<dc:rights>{'x' * 100_000}</dc:rights>")
    digest = hashlib.md5(whole, usedforsecurity=False).hexdigest().upper()
    note = f"<xmpNote:HasExtendedXMP>{digest}</xmpNote:HasExtendedXMP>" if as_element else ""
    packet = xmp_packet(note, "" if as_element else f'xmpNote:HasExtendedXMP="{digest}"')
    cuts = [(at, whole[at : at + 40_000]) for at in range(0, len(whole), 40_000)]
    jpeg = picture("JPEG")
    for at, part in cuts if backwards else reversed(cuts):
        jpeg = jpeg_with(0xE1, EXTENDED_HEAD + digest.encode() + struct.pack(">II", len(whole), at) + part, jpeg)
    return jpeg_with(0xE1, XMP_HEAD + packet, jpeg)
