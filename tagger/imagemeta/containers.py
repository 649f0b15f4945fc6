"""Reads the metadata of JPEG, PNG and WebP files, and writes the file with another XMP packet. Pure: bytes in, bytes out.

All other bytes stay the same. Formats: XMP specification part 3, PNG (W3C) 11.3, WebP container (RFC 9649).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from tagger.errors import EmbedRefused
from tagger.imagemeta import jpeg_file, png_text
from tagger.imagemeta.jpeg_file import one_packet
from tagger.imagemeta.read import Blocks

PNG_HEAD, PNG_XMP = b"\x89PNG\r\n\x1a\n", "XML:com.adobe.xmp"
XMP_FLAG, ALPHA_FLAG = 0x04, 0x10
MOST_TEXT = 4 << 20  # bytes of one compressed text


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The metadata of a file."""

    blocks: Blocks
    with_xmp: Callable[[bytes], bytes] = field(repr=False)  # the packet → the file with it


def opened(data: bytes) -> Opened:
    """Errors: EmbedRefused: another format, a broken file, or two XMP packets."""
    try:
        if data.startswith(jpeg_file.HEAD):
            jpeg = jpeg_file.JpegFile(data)
            return Opened(blocks=jpeg.blocks(), with_xmp=jpeg.with_xmp)
        if data.startswith(PNG_HEAD):
            png = _PngFile(data)
            return Opened(blocks=png.blocks(), with_xmp=png.with_xmp)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            webp = _WebpFile(data)
            return Opened(blocks=webp.blocks(), with_xmp=webp.with_xmp)
    except (struct.error, IndexError) as err:
        raise EmbedRefused("The file ends too early.") from err
    raise EmbedRefused("Neither JPEG, PNG nor WebP.", "Convert the image, or use its texts in the table.")


class _PngFile:
    def __init__(self, data: bytes) -> None:
        self._texts: list[tuple[str, str]] = []
        self._exif, self._xmp = b"", b""
        self._kept: list[bytes] = [PNG_HEAD]
        packets, at, kind = 0, len(PNG_HEAD), b""
        while at < len(data) and kind != b"IEND":
            length, kind = struct.unpack_from(">I4s", data, at)
            body, whole = data[at + 8 : at + 8 + length], data[at : at + 12 + length]
            if len(whole) < 12 + length:
                raise EmbedRefused("The file ends too early.")
            at += 12 + length
            keyword, text = _png_text(kind, body)
            if kind == b"iTXt" and keyword == PNG_XMP:
                packets, self._xmp = packets + 1, text
                continue
            if keyword:
                self._texts.append((keyword, text.decode("utf-8", "replace")))
            elif kind == b"eXIf":
                self._exif = body
            self._kept.append(whole)
        if len(self._kept) < 2 or self._kept[1][4:8] != b"IHDR":
            raise EmbedRefused("The PNG has no header.")
        one_packet(packets)
        self._rest = data[at:]

    def blocks(self) -> Blocks:
        profiles = png_text.read(self._texts)
        return Blocks(
            exif=self._exif or profiles.exif,
            iptc=profiles.iptc,
            xmp=self._xmp or profiles.xmp or next((text for key, text in self._texts if key == PNG_XMP), "").encode(),
            texts=profiles.texts,
        )

    def with_xmp(self, packet: bytes) -> bytes:
        body = b"iTXt" + PNG_XMP.encode() + b"\0\0\0\0\0" + packet  # not compressed, no language, no translated keyword
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        return b"".join([*self._kept[:2], chunk, *self._kept[2:]]) + self._rest


def _png_text(kind: bytes, body: bytes) -> tuple[str, bytes]:
    """Keyword and UTF-8 text of a text chunk; ("", b"") for another chunk. Errors: EmbedRefused."""
    if kind not in (b"tEXt", b"zTXt", b"iTXt"):
        return "", b""
    key, _, rest = body.partition(b"\0")
    keyword = key.decode("latin-1")
    if kind == b"tEXt":
        return keyword, rest.decode("latin-1").encode()
    if kind == b"zTXt":
        return keyword, _inflated(keyword, rest[1:]).decode("latin-1").encode()
    text = rest[2:].split(b"\0", 2)[-1]
    return keyword, _inflated(keyword, text) if rest[0] else text


def _inflated(keyword: str, text: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(text, MOST_TEXT)
    except zlib.error as err:
        raise EmbedRefused(f"The PNG's text `{keyword}` cannot be decompressed.") from err


class _WebpFile:
    def __init__(self, data: bytes) -> None:
        self._chunks: list[tuple[bytes, bytes]] = []
        packets, at = [], 12
        end = 8 + struct.unpack_from("<I", data, 4)[0]
        while at + 8 <= min(end, len(data)):
            kind, length = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
            body = data[at + 8 : at + 8 + length]
            if len(body) < length:
                raise EmbedRefused("The file ends too early.")
            at += 8 + length + length % 2
            if kind == b"XMP ":
                packets.append(body)
            else:
                self._chunks.append((kind, body))
        one_packet(len(packets))
        self._xmp = b"".join(packets)
        self._rest = data[end + end % 2 :]
        self._extended = _extended(self._chunks)

    def blocks(self) -> Blocks:
        return Blocks(exif=next((body for kind, body in self._chunks if kind == b"EXIF"), b""), xmp=self._xmp)

    def with_xmp(self, packet: bytes) -> bytes:
        chunks = [*self._extended, (b"XMP ", packet)]
        body = b"WEBP" + b"".join(k + struct.pack("<I", len(b)) + b + b"\0" * (len(b) % 2) for k, b in chunks)
        return b"RIFF" + struct.pack("<I", len(body)) + body + self._rest


def _extended(chunks: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The chunks with a VP8X header that announces XMP; a simple file gets one."""
    if not chunks:
        raise EmbedRefused("The WebP has no image.")
    kind, body = chunks[0]
    if kind == b"VP8X":
        return [(kind, bytes([body[0] | XMP_FLAG]) + body[1:]), *chunks[1:]]
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", body, 1)[0]
        width, height, alpha = (bits & 0x3FFF), (bits >> 14 & 0x3FFF), bits >> 28 & 1
    elif kind == b"VP8 ":
        w, h = struct.unpack_from("<HH", body, 6)
        width, height, alpha = (w & 0x3FFF) - 1, (h & 0x3FFF) - 1, 0
        if width < 0 or height < 0:
            raise EmbedRefused("The WebP names no size.")
    else:
        raise EmbedRefused("The WebP begins with an unknown chunk.")
    flags = XMP_FLAG | (ALPHA_FLAG if alpha else 0)
    return [(b"VP8X", struct.pack("<I", flags) + struct.pack("<I", width)[:3] + struct.pack("<I", height)[:3]), *chunks]
