"""The one HTTP client for addresses that somebody else wrote: image URLs, endpoints of sites, CMSes, model providers.

- Addresses: each name is resolved once, every answer is checked, and the socket goes to a checked address (`pinned.py`).
- Time: one deadline covers names, connections, redirects, heads and bodies.
- Size: `send` cuts a body at a cap; `exchange` leaves the reading to a function such as `body.read_body`.
- Redirects: none unless the request allows some. Each one is checked as the first URL was, and credentials stay on their server.
- No proxy, cookie or netrc of the environment plays a part.

A signed request carries the headers of `signing.sign`. Errors are neutral: each caller turns them into those of its stage.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.client import HTTPException, IncompleteRead
from typing import Literal, Protocol, TypeVar

import urllib3

from tagger.errors import EncodingInvalid, FetchFailed, ImageTooLarge, UrlInvalid
from tagger.net.addresses import AddressPolicy
from tagger.net.content_encoding import undone
from tagger.net.idle_connections import IdleConnections, Key
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
from tagger.net.redirects import Step, Walk
from tagger.net.url import URL_POINTER, Hop

T = TypeVar("T")
Stage = Literal["resolve", "connect", "send", "answer", "redirects"]
Read = Callable[[Hop, urllib3.BaseHTTPResponse], T]  # reads an answer; its connection is closed if something is left unread

REDIRECTS = frozenset({301, 302, 303, 307, 308})
FAULTS = (urllib3.exceptions.HTTPError, HTTPException, OSError)


@dataclass(frozen=True, kw_only=True)
class Request:
    url: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    authorization: str | None = field(default=None, repr=False)  # sent only to hosts that `addresses` trusts
    addresses: AddressPolicy = field(default_factory=AddressPolicy)
    deadline: float  # a `time.monotonic()` reading, for the whole of it
    connect_seconds: float | None = None  # for each name and its connection; None: as the deadline allows
    redirects: int = 0  # how many are followed
    pool: str | None = None  # requests with the same name of a pool share connections; None: the connection is closed
    repeatable: bool = False  # a second copy does no harm, so it is sent again if a kept connection breaks

    def __post_init__(self) -> None:
        if self.redirects and self.method not in ("GET", "HEAD"):
            raise ValueError("only GET and HEAD follow redirects")
        if self.redirects and any(name.lower() == "authorization" for name in self.headers):
            raise ValueError("credentials of a request that follows redirects belong into `authorization`")


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes  # cut at the cap
    cut: bool = False  # the body was longer than that
    unreadable: str = ""  # why a body's Content-Encoding could not be undone; `body` is empty then


class Pieces(Protocol):
    def read1(self, amt: int, decode_content: bool) -> bytes: ...


class RequestFailed(Exception):
    """There is no answer. The text names the server, but never the path, a query or a secret."""

    def __init__(self, hop: Hop, stage: Stage, detail: str, *, tls: bool = False, cut: bool = False) -> None:
        super().__init__(detail)
        self.hop = hop
        self.stage = stage  # up to "send" nobody can have acted on the request
        self.tls = tls  # the certificate or the TLS handshake is at fault
        self.cut = cut  # the body ended before the length that the head or the chunk named


class EarlyEnd:
    """The body of an answer, as far as it came: a fault ends it and is not raised. It is read by pieces, so that none is lost."""

    def __init__(self, response: Pieces) -> None:
        self._response = response
        self.fault: Exception | None = None

    def read(self, amt: int, decode_content: bool) -> bytes:
        if self.fault is not None:
            return b""
        try:
            return self._response.read1(amt, decode_content=decode_content)
        except FAULTS as err:
            self.fault = err
            return b""


def is_cut(err: BaseException) -> bool:
    """Whether a body ended before the length that the head or the chunk named."""
    return isinstance(err.__cause__ or err, IncompleteRead)


class HttpClient:
    """Safe for many threads. It keeps connections only for requests that name a pool."""

    def __init__(self, *, ca_file: str | None = None, resolve: Resolve = system_resolve) -> None:
        self._ca_file, self._resolve = ca_file, resolve  # ca_file: a bundle in place of the public one
        self._idle = IdleConnections()

    def send(self, request: Request, max_bytes: int) -> Reply:
        """The answer with at most `max_bytes` of its body. Errors: as `exchange`."""

        def read(_hop: Hop, response: urllib3.BaseHTTPResponse) -> tuple[urllib3.BaseHTTPResponse, bytes]:
            return response, _read_capped(response, max_bytes)

        return _reply(*self.exchange(request, read), max_bytes)

    def exchange(self, request: Request, read: Read[T]) -> T:
        """What `read` makes of the final answer.

        Errors: AddressForbidden (UrlInvalid among them) for a URL or an address that is not allowed, also after a redirect;
        RequestFailed; those of `read`.
        """
        walk = Walk(request.addresses, request.authorization)
        step = walk.start(request.url)
        for _ in range(request.redirects + 1):
            answer = self._ask(request, step, read)
            if not isinstance(answer, _Location):
                return answer
            step = walk.follow(answer.location)
        raise RequestFailed(step.hop, "redirects", f"More than {request.redirects} redirects.")

    def close(self) -> None:
        self._idle.close()

    def _ask(self, request: Request, step: Step, read: Read[T]) -> T | _Location:
        """One exchange, over a kept connection if there is one."""
        key = None if request.pool is None else (request.pool, step.hop.origin, step.private)
        kept, broken, started = None if key is None else self._idle.take(key), None, time.monotonic()
        if kept is not None:
            arm(kept, _route(step.hop, request.deadline))
            try:
                return self._talk(request, step, key, kept, read)
            except RequestFailed as err:
                # A server may close an idle connection just as we write. There must be enough time for a second try.
                if not request.repeatable or time.monotonic() > (started + request.deadline) / 2:
                    raise
                broken = err
        try:
            connection = self._connect(request, step)
        except Exception as err:
            if broken is None or broken.stage == "send":
                raise
            raise broken from err  # the server is away now, but it may have acted on the request before
        return self._talk(request, step, key, connection, read)

    def _connect(self, request: Request, step: Step) -> PlainConnection | TlsConnection:
        hop, until = step.hop, request.deadline
        if request.connect_seconds is not None:
            until = min(until, time.monotonic() + request.connect_seconds)
        try:
            addresses = resolve_checked(hop.host, hop.port, private=step.private, deadline=until, resolve=self._resolve)
        except FetchFailed as err:
            raise RequestFailed(hop, "resolve", str(err)) from err
        route = replace(_route(hop, until), addresses=addresses)
        try:
            connection = open_connection(route, tls_context(self._ca_file))
        except FAULTS as err:
            raise _failure(hop, "connect", err) from None
        if until != request.deadline:
            arm(connection, replace(route, deadline=request.deadline))
        return connection

    def _talk(
        self, request: Request, step: Step, key: Key | None, connection: PlainConnection | TlsConnection, read: Read[T]
    ) -> T | _Location:
        stage: Stage = "send"
        try:
            connection.request(
                request.method, step.hop.target, body=request.body, headers=_headers(request, step),
                preload_content=False, decode_content=False,
            )  # fmt: skip
            stage = "answer"
            response = connection.getresponse()
            answer = _location(request, step.hop, response) or read(step.hop, response)
        except FAULTS as err:
            connection.close()
            raise _failure(step.hop, stage, err) from None  # the cause's text may hold the whole URL
        except ValueError:  # its text may hold a header, such as a key with a line break; an error of `read` is its caller's
            connection.close()
            if stage != "send":
                raise
            raise RequestFailed(step.hop, stage, f"{step.hop.origin}: a header cannot be sent as it is.") from None
        except BaseException:
            connection.close()
            raise
        if key is not None and response.closed:  # nothing of the body is left in the connection
            self._idle.give_back(key, connection)
        else:
            connection.close()
        return answer


@dataclass(frozen=True)
class _Location:
    location: str


def _location(request: Request, hop: Hop, response: urllib3.BaseHTTPResponse) -> _Location | None:
    """Where a redirect leads; None if the answer is none, or if none is to be followed."""
    if not request.redirects or response.status not in REDIRECTS:
        return None
    locations = {text for text in response.headers.getlist("location") if text}
    if len(locations) > 1:
        raise UrlInvalid(f"{hop.masked} redirects to two addresses.", errors=URL_POINTER)
    return _Location(locations.pop()) if locations else None


def _route(hop: Hop, deadline: float) -> Route:
    return Route(scheme=hop.scheme, host=hop.host, port=hop.port, addresses=(), deadline=deadline)


def _headers(request: Request, step: Step) -> dict[str, str]:
    headers = {"User-Agent": "tagger", "Accept-Encoding": "identity", **request.headers}
    if request.pool is None:
        headers["Connection"] = "close"
    if step.authorization is not None:
        headers["Authorization"] = step.authorization
    return headers


def _failure(hop: Hop, stage: Stage, err: BaseException) -> RequestFailed:
    """The text of a cause may hold the URL, which may hold a secret: only its kind is shown."""
    doing = "connecting" if stage == "connect" else "waiting for the answer"
    cause = err.__cause__ or err
    tls = isinstance(err, ssl.SSLError | urllib3.exceptions.SSLError)
    detail = f"{hop.origin}: {type(cause).__name__} while {doing}."
    return RequestFailed(hop, stage, detail, tls=tls, cut=is_cut(err))


def _read_capped(response: urllib3.BaseHTTPResponse, max_bytes: int) -> bytes:
    """At most one byte more than the cap, so that the caller sees that there was more."""
    content = bytearray()
    while len(content) <= max_bytes:
        part = response.read(max_bytes + 1 - len(content), decode_content=False)
        if not part:
            break
        content += part
    return bytes(content)


def _reply(response: urllib3.BaseHTTPResponse, content: bytes, max_bytes: int) -> Reply:
    """The answer with its Content-Encoding undone: servers compress although we ask for `identity`."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    body, cut, unreadable = content, len(content) > max_bytes, ""
    try:
        body = b"".join(undone((content,), headers.get("content-encoding", ""), max_bytes)) if content else b""
    except ImageTooLarge:
        body, cut = b"", True
    except EncodingInvalid as err:
        body, unreadable = b"", "" if cut else str(err)
    cut = cut or len(body) > max_bytes
    return Reply(status=response.status, headers=headers, body=body[:max_bytes], cut=cut, unreadable=unreadable)
