"""Undoing a Content-Encoding under caps: of bytes made, and of their ratio to the bytes received.

We ask for `identity`, but servers send what they like. Three kinds of value mean that there is nothing to undo: `aws-chunked`,
which is a framing of uploads that object stores keep with the object; a character set or a media type, which belong into
Content-Type; and words for "none".
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal

from tagger.errors import EncodingInvalid, ImageTooLarge
from tagger.net.inflate import GZIP_START, Inflater, has_zlib_header

Coding = Literal["gzip", "deflate"]

CHUNK = 1 << 16
MAX_RATIO = 100  # decoded over received; real images in gzip stay near 1
RATIO_FREE = 1 << 20  # bytes below which the ratio does not matter: a blank BMP is honest
KNOWN: dict[str, Coding] = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
AWS_CHUNKED = "aws-chunked"
NOTHING = frozenset({"", "identity", "none", "null", "binary", "7bit", "8bit", AWS_CHUNKED})
MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+(;.*)?|jpe?g|png|gif|webp|avif")
CHARSET = re.compile(
    r"utf-?(8|16|32)(le|be)?|(us-)?ascii|iso-?8859-?\d{1,2}|latin-?\d|(windows|cp|ibm)-?\d{3,4}|koi8-[ru]|gbk|gb2312|gb18030"
    r"|big5(-hkscs)?|shift[_-]jis|euc-(jp|kr|tw)|iso-2022-(jp|kr)"
)
IMAGE_STARTS = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"BM")
MOST_CODINGS = 2  # a server that packs a file that was packed already
HEAD = 16  # bytes that show what a body is


def codings_of(header: str) -> tuple[Coding, ...]:
    """What is to be undone, the last coding first. Errors: EncodingInvalid for what cannot be, and for more than two codings."""
    names = [name.strip().lower() for name in header.split(",")]
    real = [name for name in names if name not in NOTHING and not CHARSET.fullmatch(name) and not MEDIA_TYPE.fullmatch(name)]
    if len(real) > MOST_CODINGS or any(name not in KNOWN for name in real):
        shown = ", ".join(name if re.fullmatch(r"[!-~]{1,20}", name) else "?" for name in real[:3])
        raise EncodingInvalid(f"The server sent Content-Encoding: {shown}, which tagger did not ask for and cannot decode.")
    return tuple(KNOWN[name] for name in reversed(real))


def undone(chunks: Iterable[bytes], header: str, max_bytes: int) -> Iterator[bytes]:
    """The body without its encoding. Errors: EncodingInvalid, ImageTooLarge."""
    body: Iterable[bytes] = chunks
    for coding in codings_of(header):
        body = _one_undone(body, coding, header, max_bytes)
    yield from body


def _one_undone(chunks: Iterable[bytes], coding: Coding, header: str, max_bytes: int) -> Iterator[bytes]:
    rest = iter(chunks)
    head = b""
    for chunk in rest:
        head += chunk
        if len(head) >= HEAD:
            break
    if AWS_CHUNKED in header.lower() and _is_image(head):  # the header is the upload's, and so may be its gzip
        yield head
        yield from rest
        return
    # as many servers understand "deflate", and every browser reads it
    bare = coding == "deflate" and not head.startswith(GZIP_START) and not has_zlib_header(head)
    yield from _inflated(chain((head,), rest), Inflater(bare=bare), max_bytes)


def _is_image(head: bytes) -> bool:
    return head.startswith(IMAGE_STARTS) or head[4:8] == b"ftyp"


def _inflated(chunks: Iterable[bytes], inflater: Inflater, max_bytes: int) -> Iterator[bytes]:
    received = made = 0
    try:
        for chunk in chunks:
            received += len(chunk)
            for piece in inflater.feed(chunk):
                made += len(piece)
                if made > max_bytes:
                    raise ImageTooLarge(f"The image is larger than {max_bytes:,} bytes.")
                if made > RATIO_FREE and made > MAX_RATIO * received:
                    raise ImageTooLarge(f"The body is compressed more than {MAX_RATIO} to 1.")
                yield piece
    except zlib.error:
        raise EncodingInvalid("The server sent a body with broken compression.") from None
    if not inflater.whole:
        raise EncodingInvalid("The server sent a compressed body that ends early.")
