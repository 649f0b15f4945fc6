"""Reading the head of an HTTP answer as browsers do.

`http.client` takes an interim answer (102, 103) for the final one, stops at the first header line that it cannot read and then
misses `Transfer-Encoding` or `Location` behind it, and gives up after 100 headers. So what it gets to parse is a clean copy of
the head: the final status line and the headers that somebody here reads.
"""

from __future__ import annotations

import io
import re
from http.client import HTTPException, HTTPResponse
from typing import BinaryIO, cast

MAX_HEAD = 256 << 10  # bytes of all heads of one answer, as in browsers
MAX_INTERIM = 20  # answers before the final one
SWITCHING = b"101"  # ends what HTTP can say: never interim to us
STATUS = re.compile(rb"HTTP/1\.[0-9] +(1[0-9]{2})(?:[ \r\n]|\Z)")
READ = frozenset(
    {
        b"connection", b"content-encoding", b"content-length", b"content-range", b"content-type", b"keep-alive",
        b"location", b"proxy-connection", b"retry-after", b"transfer-encoding",
    }
)  # fmt: skip


class CleanResponse(HTTPResponse):
    """An answer whose head is cleaned before `http.client` reads it. The body is read as always."""

    def begin(self) -> None:
        wire = self.fp
        try:
            self.fp = cast(io.BufferedReader, io.BytesIO(clean_head(wire)))
            super().begin()
        finally:
            self.fp = wire


def clean_head(wire: BinaryIO) -> bytes:
    """The head of the final answer, up to its empty line; what follows is left in `wire`.

    Errors: HTTPException for a head without end, or for interim answers without end.
    """
    remaining = MAX_HEAD
    for _ in range(MAX_INTERIM + 1):
        lines = _lines(wire, remaining)
        remaining -= sum(map(len, lines))
        interim = STATUS.match(lines[0]) if lines else None
        if interim is None or interim[1] == SWITCHING:
            return b"".join([*lines[:1], *_headers(lines[1:]), b"\r\n"]) if lines else b""
    raise HTTPException("too many interim answers")


def _lines(wire: BinaryIO, most: int) -> list[bytes]:
    """The status line and what follows up to the empty line, which is not among them."""
    lines: list[bytes] = []
    while line := wire.readline(most + 1):
        most -= len(line)
        if most < 0:
            raise HTTPException("the head of the answer is too long")
        if lines and line in (b"\r\n", b"\n"):
            break
        lines.append(line)
        if not lines[0].startswith(b"HTTP/"):
            break  # no answer of HTTP: the parser says so
    return lines


def _headers(lines: list[bytes]) -> list[bytes]:
    """Those that are read here. A line that goes on in the next one (RFC 9112, 5.2) is joined; what is no header is left out."""
    joined: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            joined[-1:] = [joined[-1] + b" " + line.strip()] if joined else []
        else:
            joined.append(line.strip())
    split = ((name.strip().lower(), value) for name, colon, value in (line.partition(b":") for line in joined) if colon)
    return [name + b": " + value.replace(b"\r", b" ").strip(b" \t") + b"\r\n" for name, value in split if name in READ]
