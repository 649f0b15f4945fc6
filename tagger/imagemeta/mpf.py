"""The index of a JPEG that holds several pictures (CIPA DC-007, Multi-Picture Format): its offsets and sizes.

The offsets count from the TIFF header of the index. So they change with each byte that is inserted or removed before or after it.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from tagger.errors import EmbedRefused

HEAD = b"MPF\0"
ENTRIES, ENTRY_BYTES, MOST = 0xB002, 16, 1_000
MOST_FIELDS = 64


class _Index(NamedTuple):
    order: str  # of its numbers: "<" or ">"
    at: int  # of the first entry in the file
    pictures: int


def moved(old: bytes, new: bytearray, *, old_header: int, new_header: int, segment_end: int) -> None:
    """Writes into `new` the sizes and offsets that fit it.

    `new` is `old` with other metadata before the first picture's image data; the index lies at `old_header`, its segment ends at
    `segment_end`, and lies unchanged at `new_header`. Errors: EmbedRefused where the index does not fit the file.
    """
    grown = len(new) - len(old)
    try:
        index = _index(old, old_header, segment_end)
        for number in range(index.pictures):
            at = index.at + number * ENTRY_BYTES + 4
            size, offset = struct.unpack_from(index.order + "II", old, at)
            if number == 0:
                if offset != 0 or not segment_end < size <= len(old):
                    raise _unfit()
                size += grown
            else:
                start = old_header + offset
                if start <= segment_end or old[start : start + 2] != b"\xff\xd8":
                    raise _unfit()
                size = _size(old, start, size)
                offset = start + grown - new_header
            struct.pack_into(index.order + "II", new, at - old_header + new_header, size, offset)
    except struct.error as err:
        raise _unfit() from err


def _size(data: bytes, start: int, stated: int) -> int:
    """Some writers (Pillow, from three pictures on) state too large a size for the last picture: it ends where the file ends."""
    if start + stated <= len(data):
        return stated
    if not data.endswith(b"\xff\xd9"):
        raise _unfit()
    return len(data) - start


def _index(data: bytes, header: int, end: int) -> _Index:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[header : header + 4])
    if order is None:
        raise _unfit()
    directory = header + struct.unpack_from(order + "I", data, header + 4)[0]
    for field in range(min(struct.unpack_from(order + "H", data, directory)[0], MOST_FIELDS)):
        tag, _kind, length, value = struct.unpack_from(order + "HHII", data, directory + 2 + 12 * field)
        if tag == ENTRIES:
            count = length // ENTRY_BYTES
            if not 0 < count <= MOST or header + value + length > end:
                raise _unfit()
            return _Index(order, header + value, count)
    raise _unfit()


def _unfit() -> EmbedRefused:
    return EmbedRefused(
        "The file holds several images, and their index does not match the content.",
        "Use this image's texts in the table, or save its first image as a plain JPEG.",
    )
