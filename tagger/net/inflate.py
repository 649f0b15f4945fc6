"""gzip, zlib and bare deflate as browsers read them: the data counts, not the checksum behind it.

`zlib` by itself refuses a body whose checksum is wrong or was not sent, loses what it had made of the last bytes then, and
stops after the first of several gzip members, which RFC 1952 allows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

PIECE = 1 << 16  # most bytes made at once
GZIP_START = b"\x1f\x8b"
GZIP_CHECK = 8  # bytes of checksum and length behind each member
MAX_HEADER = 1 << 17  # bytes of a member's header: its fields, of which a name may have any length
EXTRA, NAME, COMMENT, HEADER_CHECK = 4, 8, 16, 2  # flags of a gzip header
NEEDS_DICTIONARY = 0x20  # flag of a zlib header


def has_zlib_header(head: bytes) -> bool:
    return len(head) > 1 and head[0] & 15 == 8 and (head[0] << 8 | head[1]) % 31 == 0


class Inflater:
    """Takes a body in chunks. `whole`: the compressed data came to its end."""

    def __init__(self, *, bare: bool) -> None:
        """bare: deflate without any header."""
        self.whole = False
        self._pending = b""  # bytes that no header, and no data, could be made of yet
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if bare else None
        self._skip = 0  # bytes of a checksum that are still to come
        self._gzip = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What `chunk` makes, in pieces. Errors: zlib.error."""
        self._pending += chunk
        while self._pending:
            if self._inflater is None and not self._begin():
                return
            assert self._inflater is not None
            piece = self._inflater.decompress(self._pending, PIECE)
            self._pending = self._inflater.unconsumed_tail
            if piece:
                yield piece
            if self._inflater.eof:
                self.whole = True
                self._pending, self._inflater = self._inflater.unused_data, None
                self._skip = GZIP_CHECK if self._gzip else 0
                if not self._gzip:
                    self._pending = b""

    def _begin(self) -> bool:
        """Reads a header, if all of it is there."""
        skipped = min(self._skip, len(self._pending))
        self._skip -= skipped
        self._pending = self._pending[skipped:]
        if self.whole and not (self._gzip and GZIP_START.startswith(self._pending[:2])):
            self._pending = b""  # what follows the end is nobody's
            return False
        end = _header_end(self._pending)
        if end is None:
            if len(self._pending) > MAX_HEADER:
                raise zlib.error("a header without end")
            return False
        self._gzip = self._pending.startswith(GZIP_START)
        self._pending = self._pending[end:]
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self.whole = False
        return bool(self._pending)


def _header_end(data: bytes) -> int | None:
    """Where the header ends, or None where more of it has to come. Errors: zlib.error."""
    if len(data) < 2:
        return None
    if not data.startswith(GZIP_START):
        if not has_zlib_header(data) or data[1] & NEEDS_DICTIONARY:
            raise zlib.error("neither gzip nor zlib")
        return 2
    if len(data) > 2 and data[2] != zlib.DEFLATED:
        raise zlib.error("gzip without deflate")
    if len(data) < 10:
        return None
    flags, end = data[3], 10
    if flags & EXTRA:
        end += 2 + int.from_bytes(data[end : end + 2], "little")
    for flag in (NAME, COMMENT):
        if flags & flag:
            end = data.find(b"\0", end) + 1
            if not end:
                return None
    end += 2 if flags & HEADER_CHECK else 0
    return end if end <= len(data) else None
