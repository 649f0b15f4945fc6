"""Reads the needed EXIF fields from the raw block. Hostile offsets cost a limited number of reads."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping

MAX_ENTRIES = 512  # of one directory; cameras write about 60
MAX_TEXT = 32_768  # bytes that are read of one value

ORIENTATION, DESCRIPTION, DATE, EXIF_DIRECTORY, TAKEN = 0x0112, 0x010E, 0x0132, 0x8769, 0x9003
USER_COMMENT = 0x9286  # eight bytes that name the encoding, then the text
XP_TITLE, XP_COMMENT, XP_KEYWORDS = 0x9C9B, 0x9C9C, 0x9C9E  # Windows: UTF-16
TEXTS = (DESCRIPTION, DATE, TAKEN, USER_COMMENT, XP_TITLE, XP_COMMENT, XP_KEYWORDS)
SIZES: Mapping[int, int] = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1, 129: 1}  # field type → bytes; 129 is UTF-8 of EXIF 3.0


def read(block: bytes) -> Mapping[int, int | bytes]:
    """Tag → number (types short and long) or bytes. Empty if the block is not EXIF."""
    return _read(block, ())


def _read(block: bytes, as_bytes: Collection[int]) -> dict[int, int | bytes]:
    data = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return {}
    found = _directory(data, order, struct.unpack_from(order + "I", data, 4)[0], as_bytes)
    inner = found.get(EXIF_DIRECTORY)
    return {**_directory(data, order, inner, as_bytes), **found} if isinstance(inner, int) else found


def raw(block: bytes, tags: Collection[int]) -> dict[int, bytes]:
    """The bytes of these tags, regardless of their type. It also reads a whole TIFF file."""
    return {tag: value for tag, value in _read(block, tags).items() if isinstance(value, bytes) and tag in tags}


def pack(fields: Mapping[int, bytes]) -> bytes:
    """A block that `read` reads, for files that keep these fields elsewhere."""
    start = 8 + 2 + 12 * len(fields) + 4
    entries, values = b"", b""
    for tag, value in fields.items():
        padded = value.ljust(5, b"\0")  # never inside the entry itself
        entries += struct.pack("<HHII", tag, 7, len(padded), start + len(values))
        values += padded
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4) + values if fields else b""


def text(tag: int, value: bytes) -> str:
    """The text of one field. Old programs write the Windows encoding where the standard asks for ASCII."""
    if tag in (XP_TITLE, XP_COMMENT, XP_KEYWORDS):
        return value.decode("utf-16-le", "replace").partition("\0")[0]
    if tag == USER_COMMENT:
        return _comment(value)
    return windows_text(value.partition(b"\0")[0])


def windows_text(value: bytes) -> str:
    """Decode as UTF-8 if valid, else as Windows-1252, which includes Latin-1."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in value)


def _comment(value: bytes) -> str:
    """The text of UserComment. Its byte order is not reliable, so the order that gives more ASCII letters is used."""
    encoding, rest = value[:8], value[8:]
    if encoding == b"UNICODE\0":
        big = rest[0::2].count(0) > rest[1::2].count(0)
        return rest.decode("utf-16-be" if big else "utf-16-le", "replace").lstrip("\ufeff").partition("\0")[0]
    if encoding == b"JIS\0\0\0\0\0":
        return rest.decode("iso2022_jp", "replace").partition("\0")[0]
    if encoding not in (b"ASCII\0\0\0", bytes(8)):
        rest = value  # without the eight bytes, which many programs forget
    return windows_text(rest.lstrip(b"\0").partition(b"\0")[0])


def _directory(data: bytes, order: str, at: int, as_bytes: Collection[int]) -> dict[int, int | bytes]:
    if at + 2 > len(data):
        return {}
    count = min(struct.unpack_from(order + "H", data, at)[0], MAX_ENTRIES)
    found: dict[int, int | bytes] = {}
    for n in range(count):
        start = at + 2 + 12 * n
        if start + 12 > len(data):
            break
        tag, kind, length = struct.unpack_from(order + "HHI", data, start)
        value = _value(data, order, kind, length, start + 8, tag in as_bytes)
        if value is not None:
            found.setdefault(tag, value)
    return found


def _value(data: bytes, order: str, kind: int, length: int, at: int, as_bytes: bool) -> int | bytes | None:
    size = SIZES.get(kind, 0) * length
    if size <= 0:
        return None
    if size > 4:
        at = struct.unpack_from(order + "I", data, at)[0]
    if at + size > len(data):
        return None
    if as_bytes:
        return data[at : at + size]
    if kind in (3, 4):
        return int(struct.unpack_from(order + ("H" if kind == 3 else "I"), data, at)[0])
    return data[at : at + min(size, MAX_TEXT)]
