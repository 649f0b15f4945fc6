"""The few fields of EXIF that matter here, from the raw block. A TIFF of hostile offsets costs a bounded number of reads."""

from __future__ import annotations

import struct
from collections.abc import Mapping

MAX_ENTRIES = 512  # of one directory; cameras write about 60
MAX_TEXT = 32_768  # bytes of one value

ORIENTATION, DESCRIPTION, DATE, EXIF_DIRECTORY, TAKEN = 0x0112, 0x010E, 0x0132, 0x8769, 0x9003
XP_TITLE, XP_COMMENT, XP_KEYWORDS = 0x9C9B, 0x9C9C, 0x9C9E  # Windows: UTF-16
SIZES: Mapping[int, int] = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}  # field type → bytes


def read(block: bytes) -> Mapping[int, int | bytes]:
    """Tag → number (types short and long) or bytes; of a block that is no EXIF, nothing."""
    data = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return {}
    found = _directory(data, order, struct.unpack_from(order + "I", data, 4)[0])
    inner = found.get(EXIF_DIRECTORY)
    return {**_directory(data, order, inner), **found} if isinstance(inner, int) else found


def _directory(data: bytes, order: str, at: int) -> dict[int, int | bytes]:
    if at + 2 > len(data):
        return {}
    count = min(struct.unpack_from(order + "H", data, at)[0], MAX_ENTRIES)
    found: dict[int, int | bytes] = {}
    for n in range(count):
        start = at + 2 + 12 * n
        if start + 12 > len(data):
            break
        tag, kind, length = struct.unpack_from(order + "HHI", data, start)
        value = _value(data, order, kind, length, start + 8)
        if value is not None:
            found.setdefault(tag, value)
    return found


def _value(data: bytes, order: str, kind: int, length: int, at: int) -> int | bytes | None:
    size = SIZES.get(kind, 0) * length
    if not 0 < size <= MAX_TEXT:
        return None
    if size > 4:
        at = struct.unpack_from(order + "I", data, at)[0]
    if at + size > len(data):
        return None
    if kind in (3, 4):
        return int(struct.unpack_from(order + ("H" if kind == 3 else "I"), data, at)[0])
    return data[at : at + size]
