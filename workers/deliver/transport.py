"""One HTTP exchange with an endpoint: a pinned address, kept connections, one deadline for all of it, and no redirects."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Protocol

import urllib3

from tagger.delivery import Endpoint
from tagger.errors import (
    AddressForbidden,
    AnswerIncomplete,
    EncodingInvalid,
    EndpointMisconfigured,
    EndpointUnreachable,
    FetchError,
    ImageTooLarge,
)
from tagger.net.content_encoding import undone
from tagger.net.pinned import (
    PlainConnection,
    Resolve,
    Route,
    TlsConnection,
    arm,
    open_connection,
    resolve_checked,
    system_resolve,
    tls_context,
)
from tagger.net.url import Hop, parse_url

MAX_ANSWER_BYTES = 64 << 10
CONNECT_SECONDS = 5.0  # for resolving and connecting, when the whole deadline is longer
IDLE_SECONDS = 30.0  # a kept connection older than that is not tried again
KEPT_PER_ENDPOINT = 8
FAULTS = (urllib3.exceptions.HTTPError, HTTPException, OSError)


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes  # cut at MAX_ANSWER_BYTES
    cut: bool = False  # the body was longer than that
    unreadable: str = ""  # why a body's Content-Encoding could not be undone; `body` is empty then


class Transport(Protocol):
    """The seam for tests: anything that takes a signed message somewhere."""

    def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply: ...

    def close(self) -> None: ...


class _NotWhole(AnswerIncomplete):
    """Not even the whole message went out: nobody can have acted on it."""


@dataclass
class _Kept:
    connection: PlainConnection | TlsConnection
    since: float  # time.monotonic()


class HttpTransport:
    """Keeps connections per endpoint. Safe for many threads; a connection is in one thread's hands at a time."""

    def __init__(self, *, ca_file: str | None = None, resolve: Resolve = system_resolve) -> None:
        self._ca_file, self._resolve = ca_file, resolve
        self._lock = threading.Lock()
        self._idle: defaultdict[tuple[str, str, bool], list[_Kept]] = defaultdict(list)

    def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply:
        """Errors: EndpointMisconfigured, EndpointUnreachable (nothing was sent), AnswerIncomplete (it may have been)."""
        deadline = time.monotonic() + seconds
        try:
            hop = parse_url(endpoint.url)
        except AddressForbidden as err:
            raise EndpointMisconfigured(str(err)) from err
        key = (endpoint.id, hop.origin, endpoint.allow_private)
        kept, broken = self._take(key), None
        if kept is not None:
            arm(kept, Route(scheme=hop.scheme, host=hop.host, port=hop.port, addresses=(), deadline=deadline))
            try:
                return self._exchange(key, kept, hop, headers, body)
            except AnswerIncomplete as err:
                # A server may close an idle connection just as we write. Asking again is safe: the webhook-id is the same.
                if time.monotonic() > deadline - seconds / 2:
                    raise
                broken = err
        try:
            connection = self._connect(endpoint, hop, deadline, min(seconds, CONNECT_SECONDS))
        except (EndpointUnreachable, EndpointMisconfigured) as err:
            if broken is None or isinstance(broken, _NotWhole):
                raise
            raise broken from err  # nobody is there now, but somebody was, and may have acted on the message
        return self._exchange(key, connection, hop, headers, body)

    def close(self) -> None:
        with self._lock:
            kept = [entry for entries in self._idle.values() for entry in entries]
            self._idle.clear()
        for entry in kept:
            entry.connection.close()

    def _connect(self, endpoint: Endpoint, hop: Hop, deadline: float, seconds: float) -> PlainConnection | TlsConnection:
        soon = time.monotonic() + seconds
        try:
            addresses = resolve_checked(hop.host, hop.port, private=endpoint.allow_private, deadline=soon, resolve=self._resolve)
        except AddressForbidden as err:
            raise EndpointMisconfigured(str(err)) from err
        except FetchError as err:
            raise EndpointUnreachable(str(err)) from err
        route = Route(scheme=hop.scheme, host=hop.host, port=hop.port, addresses=addresses, deadline=soon)
        try:
            connection = open_connection(route, tls_context(self._ca_file))
        except FAULTS as err:
            # The text of a cause may hold the URL, which may hold a secret: only its kind is told.
            raise EndpointUnreachable(f"{hop.origin}: {type(err.__cause__ or err).__name__} while connecting.") from err
        arm(connection, replace(route, deadline=deadline))
        return connection

    def _exchange(
        self, key: tuple[str, str, bool], connection: PlainConnection | TlsConnection, hop: Hop,
        headers: Mapping[str, str], body: bytes,
    ) -> Reply:  # fmt: skip
        fault: type[AnswerIncomplete] = _NotWhole
        try:
            connection.request("POST", hop.target, body=body, headers=headers, preload_content=False, decode_content=False)
            fault = AnswerIncomplete
            response = connection.getresponse()
            content = _read(response)
        except FAULTS as err:
            connection.close()
            raise fault(f"{hop.origin}: {type(err.__cause__ or err).__name__} while waiting for the answer.") from err
        except BaseException:
            connection.close()
            raise
        self._give_back(key, connection, whole=len(content) <= MAX_ANSWER_BYTES)
        return _reply(response, content)

    def _take(self, key: tuple[str, str, bool]) -> PlainConnection | TlsConnection | None:
        oldest = time.monotonic() - IDLE_SECONDS
        while True:
            with self._lock:
                entries = self._idle[key]
                if not entries:
                    return None
                entry = entries.pop()
            if entry.since >= oldest and entry.connection.is_connected:
                return entry.connection
            entry.connection.close()

    def _give_back(self, key: tuple[str, str, bool], connection: PlainConnection | TlsConnection, *, whole: bool) -> None:
        with self._lock:
            entries = self._idle[key]
            if whole and connection.sock is not None and len(entries) < KEPT_PER_ENDPOINT:
                entries.append(_Kept(connection, time.monotonic()))
                return
        connection.close()


def _reply(response: urllib3.HTTPResponse, content: bytes) -> Reply:
    """The answer with its Content-Encoding undone: servers compress although we ask for `identity`."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    body, cut, unreadable = content, len(content) > MAX_ANSWER_BYTES, ""
    try:
        body = _undone(content, headers.get("content-encoding", ""))
    except ImageTooLarge:
        body, cut = b"", True
    except EncodingInvalid as err:
        body, unreadable = b"", "" if cut else str(err)
    cut = cut or len(body) > MAX_ANSWER_BYTES
    return Reply(status=response.status, headers=headers, body=body[:MAX_ANSWER_BYTES], cut=cut, unreadable=unreadable)


def _undone(content: bytes, encoding: str) -> bytes:
    return b"".join(undone((content,), encoding, MAX_ANSWER_BYTES)) if content else b""


def _read(response: urllib3.HTTPResponse) -> bytes:
    """At most one byte more than the cap, so that the caller sees that there was more."""
    content = bytearray()
    while len(content) <= MAX_ANSWER_BYTES:
        part = response.read(MAX_ANSWER_BYTES + 1 - len(content), decode_content=False)
        if not part:
            break
        content += part
    return bytes(content)
