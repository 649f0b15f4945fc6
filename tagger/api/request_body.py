"""A request's body on its way in: counted, not waited for without end, and bounded together with the others."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote_to_bytes

from starlette.types import Message, Receive, Scope

from tagger.api.body_budget import BodyBudget
from tagger.api.connections import ambiguous
from tagger.errors import AmbiguousLength, BadRequest, BodyTooLarge, BodyTooSlow, TooManyBodies
from tagger.settings import MIB

# Base64 and multipart add to the image's bytes.
ENVELOPE = 4 / 3
ENVELOPE_BYTES = 64 * 1024
PAUSE_SECONDS = 30.0  # longest silence within a body
BODY_SECONDS = 600.0  # for a whole body, however it drips: the largest over a slow line
BUDGET_SECONDS = 20.0  # that a body waits for its share of memory
FREE_BYTES = 64 * 1024  # of each body, for which no share is needed: the server beneath reads as much ahead
PLAIN_BYTES = MIB  # largest body of a route that takes no picture
PLAIN_BUDGET = 64 * MIB
# Each of these asks who is calling before it reads the body. The others may not, so strangers can send them bodies.
PICTURE_PATHS = ("/v1/jobs", "/v1/describe", "/v1/entailment", "/v1/assets/", "/api/", "/predict", "/pages/try-it")
# Commas and colons of a body that is no image: no honest job has more, base64 has none, and each value costs what names it.
MARKS = 50_000

PACKED = frozenset({b"gzip", b"x-gzip", b"deflate", b"br", b"zstd", b"compress"})

Fault = BadRequest | BodyTooSlow | TooManyBodies


class Broken(Exception):
    """The request ends here; the body's `fault` says why, or the client left."""


@dataclass(frozen=True)
class Allowance:
    """What one body may have."""

    limit: int
    budget: BodyBudget


class Allowances:
    """Of the routes that take pictures, and of the others: so that strangers' bodies never take the memory of pictures."""

    def __init__(self, max_image_bytes: int, memory_bytes: int) -> None:
        most = int(max_image_bytes * ENVELOPE) + ENVELOPE_BYTES
        self.pictures = Allowance(most, BodyBudget(max(memory_bytes, most)))
        self.plain = Allowance(min(PLAIN_BYTES, most), BodyBudget(PLAIN_BUDGET))

    def of(self, path: str) -> Allowance:
        return self.pictures if path.startswith(PICTURE_PATHS) else self.plain


def _is_utf8(escaped: bytes) -> bool:
    """Otherwise two ids in Latin-1 would be read as the same one, with a replacement character in it."""
    try:
        unquote_to_bytes(escaped).decode()
    except UnicodeDecodeError:
        return False
    return True


class RequestBody:
    def __init__(self, scope: Scope, receive: Receive, allowance: Allowance) -> None:
        self.fault: Fault | None = None
        self.left = False  # the client went away amid its body: nobody is there to be answered
        self.seen = 0
        self.limit = allowance.limit
        self._budget = allowance.budget
        self._share = 0  # bytes that the budget set aside for this body
        self._scope = scope
        self._receive = receive
        self._marks = 0
        self._arriving = True
        self._last = time.monotonic() + BODY_SECONDS
        self._declared = self._length()
        kind = self._header(b"content-type")
        self._counts_marks = scope["method"] == "POST" and not kind.startswith(b"multipart/form-data")

    def check_head(self) -> None:
        """What can be refused before the body came. Errors: Broken."""
        if ambiguous(self._scope):
            self._break(
                AmbiguousLength("The request has both Content-Length and Transfer-Encoding, or it sends chunks in HTTP/1.0.")
            )
        if "\x00" in self._scope["path"] or b"%00" in self._scope["query_string"]:
            self._break(BadRequest("The address holds a NUL character, which no database stores."))
        if not (_is_utf8(self._scope.get("raw_path") or b"") and _is_utf8(self._scope["query_string"])):
            self._break(BadRequest("The address holds bytes that are not UTF-8.", "Percent-encode ids and texts as UTF-8."))
        if (encoding := self._header(b"content-encoding")) in PACKED:
            packed = f"The body is packed (Content-Encoding: {encoding.decode()}), and requests are not unpacked."
            self._break(BadRequest(packed, "Send the body as it is."))
        if self._declared is not None and self._declared > self.limit:
            self._break(BodyTooLarge(f"The body of the request is larger than {self.limit} bytes."))

    async def receive(self) -> Message:
        """Errors: Broken."""
        if not self._arriving:
            return await self._receive()
        try:
            async with asyncio.timeout(min(PAUSE_SECONDS, self._last - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            self._break(BodyTooSlow(f"After {self.seen} bytes, no more bytes came in time."))
        if message["type"] == "http.disconnect":
            self.left = True
            raise Broken
        if message["type"] == "http.request":
            self._count(message.get("body", b""))
            self._arriving = bool(message.get("more_body"))
            if self.seen > FREE_BYTES and not self._share:
                await self._reserve()
        return message

    @property
    def awaited(self) -> bool:
        """The client sends its body only when it is asked to (`Expect: 100-continue`)."""
        return self.seen == 0 and self._header(b"expect") == b"100-continue"

    def release(self) -> None:
        """Give the body's share of memory to the others."""
        if self._share:
            self._budget.give(self._share)
            self._share = 0

    async def _reserve(self) -> None:
        """All that the body may come to, at once: two that hold a part and wait for more would wait for each other."""
        size = self.limit if self._declared is None else self._declared
        if not await self._budget.take(size, BUDGET_SECONDS):
            self._break(TooManyBodies(f"Other bodies fill the {self._budget.total} bytes that are reserved for bodies."))
        self._share = size
        self._last += BUDGET_SECONDS  # the wait was ours

    def _count(self, chunk: bytes) -> None:
        self.seen += len(chunk)
        if self.seen > self.limit:
            self._break(BodyTooLarge(f"The body of the request is larger than {self.limit} bytes."))
        if self._counts_marks:
            self._marks += chunk.count(b",") + chunk.count(b":")
            if self._marks > MARKS:
                self._break(BodyTooLarge(f"The body holds more than {MARKS} values.", "Send one job for each image."))

    def _break(self, fault: Fault) -> NoReturn:
        self.fault = fault
        raise Broken

    def _length(self) -> int | None:
        declared = self._header(b"content-length")
        return int(declared[:20]) if declared.isdigit() else None

    def _header(self, wanted: bytes) -> bytes:
        return next((bytes(value).strip().lower() for name, value in self._scope["headers"] if name == wanted), b"")
