"""Reads the metadata segments of a JPEG, and writes the file with another XMP packet. Pure: bytes in, bytes out."""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from tagger.errors import EmbedRefused
from tagger.imagemeta import mpf
from tagger.imagemeta.exif import windows_text
from tagger.imagemeta.read import Blocks

HEAD, XMP = b"\xff\xd8", b"http://ns.adobe.com/xap/1.0/\0"
MOST_XMP = 65_533 - len(XMP)  # bytes of a packet in one segment
EXIF, PHOTOSHOP = b"Exif\0", b"Photoshop 3.0\0"
APP0, APP1, APP2, APP13, COMMENT = 0xE0, 0xE1, 0xE2, 0xED, 0xFE
EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
NAMES_EXTENDED = re.compile(rb"HasExtendedXMP(?:\s*=\s*[\"']|\s*>)\s*([0-9A-Fa-f]{32})")
FILL, START_OF_SCAN, END = 0xFF, 0xDA, 0xD9
BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length


class _Segment(NamedTuple):
    marker: int
    start: int
    stop: int


class JpegFile:
    """Errors of its methods: EmbedRefused."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._segments = list(_segments(data))
        self._packets = [s for s in self._segments if self._is(s, APP1, XMP)]
        one_packet(len(self._packets))

    def blocks(self) -> Blocks:
        comments = tuple(windows_text(self._body(s)) for s in self._segments if s.marker == COMMENT)
        return Blocks(
            exif=next((self._body(s) for s in self._segments if self._is(s, APP1, EXIF)), b""),
            # a resource over 64 KiB goes on in the next segment
            iptc=b"".join(self._body(s).removeprefix(PHOTOSHOP) for s in self._segments if self._is(s, APP13, PHOTOSHOP)),
            xmp=b"".join(self._body(s).removeprefix(XMP) for s in self._packets),
            texts={"caption": comments} if comments else {},
            extended=self._extended(),
        )

    def _extended(self) -> bytes:
        """What the packet did not hold: it names the parts by an MD5, and each part says where it belongs."""
        named = NAMES_EXTENDED.search(b"".join(self._body(s) for s in self._packets))
        if named is None:
            return b""
        bodies = (self._body(s).removeprefix(EXTENDED) for s in self._segments if self._is(s, APP1, EXTENDED))
        parts = {body[36:40]: body[40:] for body in bodies if body[:32].upper() == named[1].upper()}
        return b"".join(parts[offset] for offset in sorted(parts))

    def with_xmp(self, packet: bytes) -> bytes:
        """Further images after the first one (MPF) keep their bytes; their index is updated."""
        if len(packet) > MOST_XMP:
            raise EmbedRefused("The texts do not fit into one JPEG segment.", "Remove keywords, or use the texts in the table.")
        body = XMP + packet
        made = bytearray(HEAD)
        index: tuple[_Segment, int] | None = None
        kept = [s for s in self._segments if s not in self._packets]
        before = max((n + 1 for n, s in enumerate(kept) if s.marker == APP0 or self._is(s, APP1, EXIF)), default=0)
        for number in range(len(kept) + 1):
            if number == before:  # JFIF and Exif stand first
                made += b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
            if number < len(kept):
                segment = kept[number]
                if self._is(segment, APP2, mpf.HEAD):
                    if index is not None:
                        raise EmbedRefused("The file has two indexes of its images.")
                    index = segment, len(made)
                made += self._data[segment.start : segment.stop]
        made += self._data[self._segments[-1].stop if self._segments else len(HEAD) :]
        if index is not None:
            (_, start, stop), at = index
            header = 4 + len(mpf.HEAD)
            mpf.moved(self._data, made, old_header=start + header, new_header=at + header, segment_end=stop)
        return bytes(made)

    def _body(self, segment: _Segment) -> bytes:
        return self._data[segment.start + 4 : segment.stop]

    def _is(self, segment: _Segment, marker: int, head: bytes) -> bool:
        return segment.marker == marker and self._data.startswith(head, segment.start + 4, segment.stop)


def extended_xmp(data: bytes) -> bytes:
    """That of a file which may be anything."""
    with contextlib.suppress(EmbedRefused, struct.error, IndexError):
        if data.startswith(HEAD):
            return JpegFile(data).blocks().extended
    return b""


def _segments(data: bytes) -> Iterator[_Segment]:
    """The segments before the image data. Metadata may also stand between the tables."""
    at = len(HEAD)
    while data[at] == 0xFF and data[at + 1] not in (0x00, START_OF_SCAN, END):
        marker = data[at + 1]
        if marker == FILL or marker in BARE:
            stop = at + (1 if marker == FILL else 2)
        else:
            stop = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if stop > len(data):
            raise EmbedRefused("The file ends too early.")
        yield _Segment(marker, at, stop)
        at = stop


def one_packet(count: int) -> None:
    """Errors: EmbedRefused if a file has several XMP packets."""
    if count > 1:
        raise EmbedRefused(
            "The file has two XMP packets.", "Save the file once with an image editor, or use its texts in the table."
        )
