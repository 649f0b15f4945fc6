"""Reads the needed fields of IPTC-IIM (record 2) from the raw data sets or from a Photoshop resource block."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping

from tagger.imagemeta.exif import windows_text

TITLE, KEYWORD, DATE, HEADLINE, CAPTION = 5, 25, 55, 105, 120
CHARSET = (1, 90)
UTF8 = b"\x1b%G"
IPTC_RESOURCE = 0x0404
MAX_SETS = 2_000
# Three accented letters in a row, no plain letter at all, control characters, or a sign such as » or ¥ before a letter.
NOT_WESTERN = re.compile(r"[^\x00-\x7f]{3}|^[^A-Za-z]{2,}$|[\x80-\x9f\u0192]|[¢-¨¬¯±-´¶¸¹»-¾][A-Za-z_]")
SIGNATURES = (b"8BIM", b"PHUT", b"AgHg", b"MeSa", b"DCSR")  # of Photoshop's resources


def read(block: bytes) -> Mapping[int, list[str]]:
    """Data set number of record 2 → its values, in order. Empty if the block is not IPTC."""
    sets = list(_sets(_unwrapped(block)))
    utf8 = any(key == CHARSET and value.startswith(UTF8) for key, value in sets)
    found: dict[int, list[str]] = {}
    for (record, number), value in sets:
        if record == 2:
            found.setdefault(number, []).append(_text(value, utf8))
    return found


def guesses(block: bytes) -> frozenset[str]:
    """The texts that are probably wrong as they are read: no marker, not UTF-8, and not like a western word. Windows-1252 makes
    letters of every encoding, such as of GBK or Windows-1251.
    """
    sets = list(_sets(_unwrapped(block)))
    if any(key == CHARSET and value.startswith(UTF8) for key, value in sets):
        return frozenset()
    texts = (windows_text(value) for (record, _), value in sets if record == 2 and not _is_utf_8(value))
    return frozenset(text for text in texts if NOT_WESTERN.search(text))


def _is_utf_8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _sets(data: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    at, count = 0, 0
    while at + 5 <= len(data) and data[at] == 0x1C and count < MAX_SETS:
        record, number, size = struct.unpack_from(">BBH", data, at + 1)
        start = at + 5
        if size & 0x8000:  # an extended set: so many bytes hold its length
            start, size = start + (size & 0x7FFF), int.from_bytes(data[start : start + min(size & 0x7FFF, 4)], "big")
        if start + size > len(data):
            return
        yield (record, number), data[start : start + size]
        at, count = start + size, count + 1


def _text(value: bytes, utf8: bool) -> str:
    """Many programs write UTF-8 without a marker. Without a marker, text that is not UTF-8 is read as Windows-1252."""
    return value.decode("utf-8", "replace") if utf8 else windows_text(value)


def _unwrapped(block: bytes) -> bytes:
    """The IPTC resource inside Photoshop's blocks, or the block itself."""
    data = block.removeprefix(b"Photoshop 3.0\0")
    at = 0
    while data[at : at + 4] in SIGNATURES and at + 12 <= len(data):
        number = struct.unpack_from(">H", data, at + 4)[0]
        name = data[at + 6] + 1
        at += 6 + name + name % 2
        if at + 4 > len(data):
            return b""
        size = struct.unpack_from(">I", data, at)[0]
        if number == IPTC_RESOURCE:
            return data[at + 4 : at + 4 + size]
        at += 4 + size + size % 2
    return data
