"""What surrounds every request, as plain ASGI: an id, a limit on the body, a count and a time."""

from __future__ import annotations

import asyncio
import contextlib
import time

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagger import telemetry
from tagger.api.problems import respond
from tagger.errors import BodyTooLarge
from tagger.ids import new_id

# Base64 and multipart add to the image's bytes.
ENVELOPE = 4 / 3
ENVELOPE_BYTES = 64 * 1024
DISCARD = 4  # times the limit: bytes of a body that is too large that are read and forgotten, before the answer
DISCARD_SECONDS = 10.0
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Overrun(Exception):
    """The body went over the limit while it was read."""


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
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self.limit:
                    raise _Overrun
            return message

        async def answered(message: Message) -> None:
            if seen <= self.limit:  # else what a route makes of a body that broke off does not count
                await tagged(message)

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", scope["tagger.request_id"].encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=scope["tagger.request_id"]):
            try:
                if self._declared(scope) > self.limit:
                    raise _Overrun
                await self.app(scope, limited, answered)
                if seen > self.limit:
                    raise _Overrun
            except _Overrun:
                await self._discard(receive)
                error = BodyTooLarge(f"The request's body is over {self.limit} bytes.")
                await respond(Request(scope), error)(scope, receive, tagged)
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

    @staticmethod
    def _declared(scope: Scope) -> int:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                return int(value)
        return 0
