"""Reading an HTTP body under caps: bytes, and for a compressed one also its ratio."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from tagger.errors import ImageTooLarge
from tagger.net.content_encoding import CHUNK, codings_of, undone

SMALL = 1 << 20  # a body up to here is read without asking for room
LENGTH_DIGITS = 20  # of a Content-Length; a longer one is cut and stays far over any limit
HTML_STARTS = (b"<!doctype html", b"<html", b"<head", b"<body")


def no_room(_size: int) -> None:
    """The default of `room`: nobody counts."""


class Raw(Protocol):
    def read(self, amt: int, decode_content: bool) -> bytes: ...


def read_body(raw: Raw, headers: Mapping[str, str], max_bytes: int, room: Callable[[int], None] = no_room) -> bytes:
    """The whole body, its content encoding undone. Errors: ImageTooLarge, EncodingInvalid.

    `room` is asked once, for the size that is to be expected, when a body turns out to be over SMALL: a server that only
    promises much, or drips, takes nothing from the others.
    """
    declared = declared_length(headers)
    if declared is not None and declared > max_bytes:
        raise _too_large(max_bytes)
    encoding = headers.get("content-encoding", "")
    expected = declared if declared is not None and not codings_of(encoding) else max_bytes
    data, asked = bytearray(), False
    for chunk in undone(_chunks(raw), encoding, max_bytes):
        if not asked and len(data) + len(chunk) > SMALL:
            room(expected)
            asked = True
        data += chunk
        if len(data) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(data)


def declared_length(headers: Mapping[str, str]) -> int | None:
    """What Content-Length says; None where it says nothing that is a number. `int` refuses numbers of thousands of digits."""
    text = headers.get("content-length", "").strip()
    return int(text.lstrip("0")[:LENGTH_DIGITS] or "0") if text.isascii() and text.isdecimal() else None


def _chunks(raw: Raw) -> Iterator[bytes]:
    while chunk := raw.read(CHUNK, decode_content=False):
        yield chunk


def looks_like_html(data: bytes) -> bool:
    """Whether `data` starts as a page does, after a byte order mark, white space and comments."""
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    while head.startswith(b"<!--") and b"-->" in head:
        head = head.partition(b"-->")[2].lstrip()
    return head.startswith(HTML_STARTS)


def _too_large(max_bytes: int) -> ImageTooLarge:
    return ImageTooLarge(f"The image is larger than {max_bytes:,} bytes.")
