"""The protocol between a decoder process and its parent: shared area, requests, answers and limits."""

from __future__ import annotations

import struct
from dataclasses import dataclass

REQUEST = struct.Struct("!Q")

ANSWER = struct.Struct("!I")

READY = b"+"

BLOCKS = ("exif", "iptc", "xmp", "extended", "texts")  # metadata of an answer, in this order

MAX_BLOCK = 1 << 18  # bytes of one; a larger one is left out


@dataclass(frozen=True, kw_only=True)
class Limits:
    max_bytes: int  # of an encoded image
    max_pixels: int
    long_side: int  # of the pixels handed out
    seconds: float  # of CPU for one image
    memory_bytes: int  # of address space

    @property
    def area_bytes(self) -> int:
        return self.max_bytes + self.long_side * self.long_side * 3
