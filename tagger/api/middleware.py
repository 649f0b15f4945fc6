"""What surrounds every request, as plain ASGI: an id, limits on the body, a count and a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import NoReturn

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagger import telemetry
from tagger.api.problems import respond
from tagger.errors import BadRequest, BodyTooLarge, BodyTooSlow
from tagger.ids import new_id

# Base64 and multipart add to the image's bytes.
ENVELOPE = 4 / 3
ENVELOPE_BYTES = 64 * 1024
DISCARD = 4  # times the limit: bytes of a body that is too large that are read and forgotten, before the answer
DISCARD_SECONDS = 10.0
PAUSE_SECONDS = 30.0  # longest silence within a body
BODY_SECONDS = 600.0  # for a whole body, however it drips: the largest over a slow line
# Commas and colons of a body that is no image: no honest job has more, base64 has none, and each value costs what names it.
MARKS = 50_000
CLIENT_LEFT = 499  # in the metrics, as nginx counts it: no fault of ours
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestFrame:
    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self.app = app
        self.limit = int(max_body_bytes * ENVELOPE) + ENVELOPE_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["tagger.request_id"] = new_id("req")
        started = time.perf_counter()
        status = 500
        body = _Body(scope, receive, self.limit)

        async def answered(message: Message) -> None:
            if body.fault is None and not body.left:  # else what a route makes of a body that broke off does not count
                await tagged(message)

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [(b"x-request-id", scope["tagger.request_id"].encode())]
                if isinstance(body.fault, BodyTooSlow):
                    own.append((b"connection", b"close"))
                message["headers"] = [*message["headers"], *own]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=scope["tagger.request_id"]):
            try:
                with contextlib.suppress(_Broken):
                    body.check_head()
                    await self.app(scope, body.receive, answered)
                if body.fault is not None:
                    if not isinstance(body.fault, BodyTooSlow):
                        await self._discard(receive)
                    await respond(Request(scope), body.fault)(scope, receive, tagged)
                elif body.left:
                    status = CLIENT_LEFT
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                # a method is any word that a stranger sends, and each value of a label is kept for good
                method = scope["method"] if scope["method"] in METHODS else "other"
                telemetry.HTTP_REQUESTS.labels(method, route, str(status)).inc()
                telemetry.HTTP_SECONDS.labels(method, route).observe(time.perf_counter() - started)

    async def _discard(self, receive: Receive) -> None:
        """Let the client finish, within bounds: one that is cut off while it sends never reads why."""
        left = DISCARD * self.limit
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_SECONDS):
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body"):
                        return


class _Broken(Exception):
    """The request ends here; the body's `fault` says why, or the client left."""


class _Body:
    """A request's body on its way in: counted, and not waited for without end."""

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        self.fault: BadRequest | BodyTooSlow | None = None
        self.left = False  # the client went away amid its body: nobody is there to be answered
        self._scope = scope
        self._receive = receive
        self._limit = limit
        self._seen = 0
        self._marks = 0
        self._arriving = True
        self._last = time.monotonic() + BODY_SECONDS
        kind = self._header(b"content-type")
        self._counts_marks = scope["method"] == "POST" and not kind.startswith(b"multipart/form-data")

    def check_head(self) -> None:
        """What can be refused before the body came. Errors: _Broken."""
        if "\x00" in self._scope["path"] or b"%00" in self._scope["query_string"]:
            self._break(BadRequest("The address holds a NUL character, which no database stores."))
        declared = self._header(b"content-length")
        if declared.isdigit() and int(declared[:20]) > self._limit:
            self._break(BodyTooLarge(f"The request's body is over {self._limit} bytes."))

    async def receive(self) -> Message:
        """Errors: _Broken."""
        if not self._arriving:
            return await self._receive()
        try:
            async with asyncio.timeout(min(PAUSE_SECONDS, self._last - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            self._break(BodyTooSlow(f"{self._seen} bytes came, and then no more in time."))
        if message["type"] == "http.disconnect":
            self.left = True
            raise _Broken
        if message["type"] == "http.request":
            self._count(message.get("body", b""))
            self._arriving = bool(message.get("more_body"))
        return message

    def _count(self, chunk: bytes) -> None:
        self._seen += len(chunk)
        if self._seen > self._limit:
            self._break(BodyTooLarge(f"The request's body is over {self._limit} bytes."))
        if self._counts_marks:
            self._marks += chunk.count(b",") + chunk.count(b":")
            if self._marks > MARKS:
                self._break(BodyTooLarge(f"The body holds more than {MARKS} values.", "Send one job for each image."))

    def _break(self, fault: BadRequest | BodyTooSlow) -> NoReturn:
        self.fault = fault
        raise _Broken

    def _header(self, wanted: bytes) -> bytes:
        return next((bytes(value).strip().lower() for name, value in self._scope["headers"] if name == wanted), b"")
