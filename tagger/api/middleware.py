"""What surrounds every request, as plain ASGI: an id, limits on the body, a count, a time and a line of log."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagger.api.problems import respond
from tagger.api.request_body import Allowances, Broken, RequestBody
from tagger.errors import AmbiguousLength, BodyTooSlow
from tagger.ids import new_id
from tagger.telemetry import metrics, tracing

log = structlog.get_logger()

DISCARD = 4  # times the limit: bytes of a body that is too large that are read and forgotten, before the answer
DISCARD_SECONDS = 10.0
CLIENT_LEFT = 499  # in the metrics, as nginx counts it: no fault of ours
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
READS = frozenset({"GET", "HEAD", "OPTIONS"})  # they begin no work, so they have no trace
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
# the rest of their body is not read: it may never come, or be another request
HANGS_UP = (BodyTooSlow, AmbiguousLength)
PATH_IDS = {"job_id": "job", "delivery_id": "delivery", "site_id": "site", "asset_id": "asset"}
ID_CHARS = 200
JOBS_PATH = b"/v1/jobs/"


class RequestFrame:
    def __init__(self, app: ASGIApp, *, max_body_bytes: int, body_memory_bytes: int) -> None:
        self.app = app
        self.allowances = Allowances(max_body_bytes, body_memory_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _Framed(scope, RequestBody(scope, receive, self.allowances.of(scope["path"])), send)
        with structlog.contextvars.bound_contextvars(request_id=scope["tagger.request_id"]), _traced(scope) as span:
            try:
                await request.run(self.app, receive)
            finally:
                request.end(span)


class _Framed:
    """One request and what is known of it at its end."""

    def __init__(self, scope: Scope, body: RequestBody, send: Send) -> None:
        self.scope, self.body, self.send = scope, body, send
        self.method = scope["method"]
        if self.method == "HEAD":  # the same as GET, without a body: monitors ask so
            scope["method"] = "GET"
        scope["tagger.request_id"] = new_id("req")
        scope["tagger.ids"] = {}  # routes add to it what the request is about
        self.started = time.perf_counter()
        self.status = 500

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        body = self.body
        with contextlib.suppress(Broken):
            body.check_head()
            await app(self.scope, body.receive, self._answered)
        if body.fault is not None:
            if not self._hangs_up():
                await _discard(receive, DISCARD * body.limit)
            await respond(Request(self.scope), body.fault)(self.scope, receive, self._tagged)
        elif body.left:
            self.status = CLIENT_LEFT

    def _hangs_up(self) -> bool:
        """To read the body of a client that waits for a word would be that word."""
        return isinstance(self.body.fault, HANGS_UP) or (self.body.fault is not None and self.body.awaited)

    async def _answered(self, message: Message) -> None:
        if self.body.fault is None and not self.body.left:  # else what a route makes of a body that broke off does not count
            await self._tagged(message)

    async def _tagged(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [(name, _own_path(value) if name == b"location" else value) for name, value in message["headers"]]
            own = [(b"x-request-id", self.scope["tagger.request_id"].encode())]
            if self._hangs_up():
                own.append((b"connection", b"close"))
            for name, value in headers:
                if name == b"location" and value.startswith(JOBS_PATH):
                    self.scope["tagger.ids"]["job"] = value.removeprefix(JOBS_PATH).decode()
            message["headers"] = [*headers, *own]
        elif self.method == "HEAD" and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self.send(message)

    def end(self, span: tracing.Span) -> None:
        self.body.release()
        seconds = time.perf_counter() - self.started
        route = getattr(self.scope.get("route"), "path", "unmatched")
        # a method is any word that a stranger sends, and each value of a label is kept for good
        method = self.method if self.method in METHODS else "other"
        metrics.HTTP_REQUESTS.labels(method, route, str(self.status)).inc()
        metrics.HTTP_SECONDS.labels(method, route).observe(seconds)
        span.rename(f"{method} {route}")
        span.set(http_status=self.status, request=self.scope["tagger.request_id"])
        write = log.debug if route in PROBES and self.status < 400 else log.info
        event = "request.answered" if self.status < 400 else "request.refused"
        peer = self.scope["client"][0] if self.scope.get("client") else None
        figures = {"status": self.status, "ms": round(seconds * 1000, 1), "body_bytes": self.body.seen}
        write(event, method=method, route=route, **figures, peer=peer, **self._ids())

    def _ids(self) -> dict[str, Any]:
        """Of what the request is about: from its address, the caller's key and the answer."""
        named = self.scope.get("path_params") or {}
        ids = {word: str(named[name])[:ID_CHARS] for name, word in PATH_IDS.items() if name in named}
        return {**ids, **self.scope["tagger.ids"]}


def _traced(scope: Scope) -> AbstractContextManager[tracing.Span]:
    """The span of a request that may begin work. It continues the trace of a caller that sends one."""
    if not tracing.active() or scope["method"] in READS:
        return tracing.OFF
    sent = (value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent")
    return tracing.span(scope["method"], kind="server", parent=next(sent, None))


def _own_path(location: bytes) -> bytes:
    """A redirect without scheme and host. Starlette takes them from the request, so behind a proxy that ends TLS a caller would
    send its key again in clear text, and a forged `Host` would lead elsewhere."""
    parts = urlsplit(location)
    return parts.path + (b"?" + parts.query if parts.query else b"")


async def _discard(receive: Receive, most: int) -> None:
    """Let the client finish, within bounds: one that is cut off while it sends never reads why."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while most > 0:
                message = await receive()
                most -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return
