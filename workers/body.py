"""Reading an HTTP body under caps: bytes, and for a compressed one also its ratio."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from tagger.errors import FetchRefused, ImageTooLarge

CHUNK = 1 << 16
SMALL = 1 << 20  # a body up to here is read without asking for room
MAX_RATIO = 100  # decoded over received; real images in gzip stay near 1
RATIO_FREE = 1 << 20  # bytes below which the ratio does not matter: a blank BMP is honest
HTML_STARTS = (b"<!doctype html", b"<html", b"<head", b"<body")


def no_room(_size: int) -> None:
    """The default of `room`: nobody counts."""


class Raw(Protocol):
    def read(self, amt: int, decode_content: bool) -> bytes: ...


def read_body(raw: Raw, headers: Mapping[str, str], max_bytes: int, room: Callable[[int], None] = no_room) -> bytes:
    """The whole body, content decoding undone. Errors: ImageTooLarge; FetchRefused for an encoding that was not asked for.

    `room` is asked once, for the size that is to be expected, when a body turns out to be over SMALL: a server that only
    promises much, or drips, takes nothing from the others.
    """
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    encoding = headers.get("content-encoding", "").strip().lower()
    expected = int(declared) if declared.isdecimal() else max_bytes
    chunks = _chunks(raw)
    if encoding in ("gzip", "x-gzip", "deflate"):
        chunks, expected = _inflated(chunks, max_bytes), max_bytes
    elif encoding not in ("", "identity"):
        raise FetchRefused("The server sent a content encoding that was not asked for.")
    data, asked = bytearray(), False
    for chunk in chunks:
        if not asked and len(data) + len(chunk) > SMALL:
            room(expected)
            asked = True
        data += chunk
        if len(data) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(data)


def _chunks(raw: Raw) -> Iterator[bytes]:
    while chunk := raw.read(CHUNK, decode_content=False):
        yield chunk


def _inflated(chunks: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # finds gzip and zlib headers by itself
    received = made = 0
    try:
        for chunk in chunks:
            received += len(chunk)
            while chunk and not inflater.eof:
                piece = inflater.decompress(chunk, CHUNK)
                made += len(piece)
                if made > max_bytes:
                    raise _too_large(max_bytes)
                if made > RATIO_FREE and made > MAX_RATIO * received:
                    raise ImageTooLarge(f"The body is compressed more than {MAX_RATIO} to 1.")
                yield piece
                chunk = inflater.unconsumed_tail
    except zlib.error:
        raise FetchRefused("The server sent a body whose compression is broken.") from None
    if not inflater.eof:
        raise FetchRefused("The server sent a compressed body that ends early.")


def looks_like_html(data: bytes) -> bool:
    """Whether `data` starts as a page does, after a byte order mark, white space and comments."""
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    while head.startswith(b"<!--") and b"-->" in head:
        head = head.partition(b"-->")[2].lstrip()
    return head.startswith(HTML_STARTS)


def _too_large(max_bytes: int) -> ImageTooLarge:
    return ImageTooLarge(f"The image is over {max_bytes:,} bytes.")
