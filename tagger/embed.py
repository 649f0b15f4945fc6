"""Words into a copy of an image file, as XMP, without touching a pixel: JPEG (APP1), PNG (iTXt) and WebP (XMP chunk).

Pure: bytes in, bytes out. Everything of the file but its XMP packet stays byte for byte. Formats: XMP specification part 3,
PNG (W3C) 11.3, WebP container (RFC 9649).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from tagger.errors import EmbedRefused
from tagger.xmp import XmpRefused
from tagger.xmp_packet import Outcome, Words, with_words

JPEG_HEAD, JPEG_XMP = b"\xff\xd8", b"http://ns.adobe.com/xap/1.0/\0"
JPEG_MOST = 65_533 - len(JPEG_XMP)  # bytes of a packet in one segment
PNG_HEAD, PNG_XMP = b"\x89PNG\r\n\x1a\n", b"XML:com.adobe.xmp\0"
XMP_FLAG, ALPHA_FLAG = 0x04, 0x10


@dataclass(frozen=True, kw_only=True)
class Embedded:
    data: bytes
    outcomes: dict[str, Outcome]  # "caption", "alt_text", "keywords" → written | unchanged | kept


def embed(data: bytes, words: Words) -> Embedded:
    """Errors: EmbedRefused: another format, a broken file, an XMP packet that cannot be read, or too many words."""
    try:
        if data.startswith(JPEG_HEAD):
            return _jpeg(data, words)
        if data.startswith(PNG_HEAD):
            return _png(data, words)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data, words)
    except XmpRefused as err:
        raise EmbedRefused(str(err)) from err
    except (struct.error, IndexError) as err:
        raise EmbedRefused("The file ends too early.") from err
    raise EmbedRefused("Neither JPEG, PNG nor WebP.", "Convert the image, or keep its words in the table.")


def _jpeg(data: bytes, words: Words) -> Embedded:
    kept, old, place, end = [data[:2]], b"", 1, 2
    for start, stop, marker in _segments(data):
        segment = data[start:stop]
        end = stop
        if marker == 0xE1 and segment[4:].startswith(JPEG_XMP):
            old = old or segment[4 + len(JPEG_XMP) :]
            continue
        kept.append(segment)
        if marker == 0xE0 or (marker == 0xE1 and segment[4:10] == b"Exif\0\0"):
            place = len(kept)  # JFIF and Exif want to stand first
    packet = with_words(old, words)
    if len(packet.data) > JPEG_MOST:
        raise EmbedRefused("The words do not fit into one JPEG segment.", "Take out keywords, or keep the words in the table.")
    body = JPEG_XMP + packet.data
    kept.insert(place, b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body)
    return Embedded(data=b"".join(kept) + data[end:], outcomes=packet.outcomes)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(start, stop, marker) of each segment before the first that begins image data or a frame."""
    at = 2
    while data[at] == 0xFF and data[at + 1] in (*range(0xE0, 0xF0), 0xFE, 0xFF):
        if data[at + 1] == 0xFF:  # a fill byte
            yield at, at + 1, 0xFF
            at += 1
            continue
        stop = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if stop > len(data):
            raise EmbedRefused("The file ends too early.")
        yield at, stop, data[at + 1]
        at = stop


def _png(data: bytes, words: Words) -> Embedded:
    kept, old, place, at = [PNG_HEAD], b"", 0, len(PNG_HEAD)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body, whole = data[at + 8 : at + 8 + length], data[at : at + 12 + length]
        if len(whole) < 12 + length:
            raise EmbedRefused("The file ends too early.")
        at += 12 + length
        if kind == b"iTXt" and body.startswith(PNG_XMP):
            old = old or _itxt(body)
            continue
        kept.append(whole)
        if kind == b"IHDR":
            place = len(kept)
        if kind == b"IEND":
            break
    if not place:
        raise EmbedRefused("The PNG has no header.")
    packet = with_words(old, words)
    body = b"iTXt" + PNG_XMP + b"\0\0\0\0" + packet.data  # not compressed, no language, no translated keyword
    kept.insert(place, struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
    return Embedded(data=b"".join(kept) + data[at:], outcomes=packet.outcomes)


def _itxt(body: bytes) -> bytes:
    compressed, rest = body[len(PNG_XMP)], body[len(PNG_XMP) + 2 :]
    text = rest.split(b"\0", 2)[-1]
    if not compressed:
        return text
    try:
        return zlib.decompressobj().decompress(text, 1 << 20)
    except zlib.error as err:
        raise EmbedRefused("The PNG's XMP text cannot be decompressed.") from err


def _webp(data: bytes, words: Words) -> Embedded:
    chunks, old, at = [], b"", 12
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    while at + 8 <= min(end, len(data)):
        kind, length = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        body = data[at + 8 : at + 8 + length]
        if len(body) < length:
            raise EmbedRefused("The file ends too early.")
        at += 8 + length + length % 2
        if kind == b"XMP ":
            old = old or body
        else:
            chunks.append((kind, body))
    packet = with_words(old, words)
    chunks = [*_extended(chunks), (b"XMP ", packet.data)]
    body = b"WEBP" + b"".join(k + struct.pack("<I", len(b)) + b + b"\0" * (len(b) % 2) for k, b in chunks)
    return Embedded(data=b"RIFF" + struct.pack("<I", len(body)) + body + data[end + end % 2 :], outcomes=packet.outcomes)


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
    else:
        raise EmbedRefused("The WebP begins with an unknown chunk.")
    flags = XMP_FLAG | (ALPHA_FLAG if alpha else 0)
    return [(b"VP8X", struct.pack("<I", flags) + struct.pack("<I", width)[:3] + struct.pack("<I", height)[:3]), *chunks]
