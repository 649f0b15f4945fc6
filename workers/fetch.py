"""The bytes of an image, from a URL, an uploaded blob or a local file; safely (promises I2 and I3).

Every hop of a redirect is parsed, resolved and checked anew. Errors name the host but never user info, a query or a secret.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import idna
import requests
import urllib3

from tagger.addresses import AllowedHost
from tagger.asset import ImageSource
from tagger.blobs import Blobs
from tagger.errors import AddressForbidden, DecodeError, FetchFailed, FetchRefused, NotFound, Pointer
from tagger.settings import MIB
from tagger.site import Site
from workers.body import looks_like_html, read_body
from workers.files import read_file
from workers.pinned import PinnedAdapter, Resolve, Route, resolve_checked, system_resolve, tls_context
from workers.room import Room, Share

MAX_REDIRECTS = 5
MAX_URL = 8192
REDIRECTS = frozenset({301, 302, 303, 307, 308})
RETRYABLE_4XX = frozenset({408, 425, 429})
DEFAULT_PORTS = {"http": 80, "https": 443}
URL_POINTER = (Pointer(pointer="/asset/image/url"),)


@dataclass(frozen=True, kw_only=True)
class FetchPolicy:
    """What a fetch for one site may do."""

    max_bytes: int = 32 * MIB  # of the image, after any content decoding
    ports: frozenset[int] = frozenset({80, 443, 8080, 8443})  # for hosts that the site did not name
    allowed_hosts: tuple[AllowedHost, ...] = ()  # these may have private addresses, and get `auth`
    auth: str | None = field(default=None, repr=False)  # an Authorization header
    ca_file: str | None = None  # a bundle in place of the public one

    @classmethod
    def of(cls, site: Site, max_bytes: int = 32 * MIB) -> FetchPolicy:
        return cls(
            max_bytes=max_bytes,
            allowed_hosts=tuple(AllowedHost.parse(text) for text in site.allowed_hosts),
            auth=site.fetch_auth,
        )

    def names(self, host: str, port: int) -> bool:
        return any(entry.covers(host, port) for entry in self.allowed_hosts)

    def auth_for(self, hop: Hop) -> str | None:
        """The credentials, where the site's list lets them go."""
        encrypted = hop.scheme == "https"
        trusted = any(entry.trusts(hop.host, hop.port, encrypted=encrypted) for entry in self.allowed_hosts)
        return self.auth if trusted else None


@dataclass(frozen=True, kw_only=True)
class Fetched:
    data: bytes = field(repr=False)
    sha256: str  # hex, of `data`
    content_type: str | None = None  # as the server says; never trusted
    final_url: str | None = None  # kind url: after redirects, without its query


def fetch(
    source: ImageSource,
    *,
    policy: FetchPolicy,
    deadline: float,
    blobs: Blobs | None = None,
    resolve: Resolve = system_resolve,
    share: Share | None = None,
) -> Fetched:
    """Gets the bytes of `source` before `deadline`, a `time.monotonic()` reading.

    Errors: AddressForbidden, ImageTooLarge, FetchRefused (4xx, missing, not a plain file), FetchFailed (retryable: network,
    5xx, time), DecodeError (HTML in place of an image), StorageUnavailable (blobs), DecoderUnavailable (no room for the bytes).
    `share`: of the memory for encoded images; the caller drops it with the bytes.
    """
    share = share or Share(Room())
    if source.kind == "url":
        fetched = _Walk(policy, deadline, resolve, share).fetch(source.location)
        share.keep(len(fetched.data))
        return fetched
    share.take(policy.max_bytes, deadline)
    if source.kind == "file":
        data = read_file(source.location, source.root, policy.max_bytes)
    else:
        data = _read_blob(blobs, source.location)
    share.keep(len(data))
    return Fetched(data=data, sha256=hashlib.sha256(data).hexdigest())


def _read_blob(blobs: Blobs | None, key: str) -> bytes:
    if blobs is None:
        raise FetchRefused("This worker has no store of uploaded bytes.")
    try:
        return blobs.get(key)
    except NotFound as err:
        raise FetchRefused(str(err), "Send the bytes again.") from err


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One URL, parsed strictly and rebuilt, so that checker and client cannot understand it differently."""

    scheme: str
    host: str  # ASCII, lower case; IPv6 without brackets
    port: int
    target: str  # path and query

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}")

    @property
    def url(self) -> str:
        return self.origin + self.target

    @property
    def masked(self) -> str:
        path, query, _ = self.target.partition("?")
        return self.origin + path + ("?…" if query else "")


def parse_url(text: str) -> Hop:
    """Errors: AddressForbidden when the URL is not plain http(s), holds user info, or cannot be read in one way only."""
    if len(text) > MAX_URL or any(c <= " " or c == "\\" or c == "\x7f" for c in text):
        raise AddressForbidden("The URL is too long or holds white space, a backslash or control characters.", errors=URL_POINTER)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise AddressForbidden("The URL is not valid.", errors=URL_POINTER) from None
    if parts.scheme not in DEFAULT_PORTS:
        raise AddressForbidden("Only http and https URLs are fetched.", errors=URL_POINTER)
    if "@" in parts.netloc:
        raise AddressForbidden(
            "The URL holds a user name or password.", "Set the site's `fetch_auth` instead.", errors=URL_POINTER
        )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Hop(
        scheme=parts.scheme, host=_ascii_host(parts.hostname or ""), port=port or DEFAULT_PORTS[parts.scheme], target=target
    )


def _ascii_host(host: str) -> str:
    try:
        ascii_host = host if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise AddressForbidden("The URL's host name is not valid.", errors=URL_POINTER) from None
    ascii_host = ascii_host.lower().removesuffix(".")
    if not ascii_host or len(ascii_host) > 253 or not all(c.isalnum() or c in "-._:" for c in ascii_host):
        raise AddressForbidden("The URL's host name is not valid.", errors=URL_POINTER)
    return ascii_host


class _Walk:
    """One fetch over HTTP: hop by hop until bytes or an error."""

    def __init__(self, policy: FetchPolicy, deadline: float, resolve: Resolve, share: Share) -> None:
        self.share = share
        self.policy = policy
        self.deadline = deadline
        self.resolve = resolve
        self.trusted = True  # until a host appears that the site did not name: it may not send us to private addresses
        self.with_auth = True  # until a redirect leaves the server that the URL named

    def fetch(self, url: str) -> Fetched:
        hop = parse_url(url)
        for _ in range(MAX_REDIRECTS + 1):
            route = self._route(hop)
            answer = self._ask(hop, route)
            if isinstance(answer, Fetched):
                return answer
            onward = parse_url(urljoin(hop.url, answer))
            self.with_auth &= onward.origin in (hop.origin, f"https://{hop.origin.removeprefix('http://')}")
            hop = onward
        raise FetchRefused(f"More than {MAX_REDIRECTS} redirects.", errors=URL_POINTER)

    def _route(self, hop: Hop) -> Route:
        named = self.policy.names(hop.host, hop.port)
        self.trusted &= named
        if not named and hop.port not in self.policy.ports:
            raise AddressForbidden(f"Port {hop.port} is not allowed.", errors=URL_POINTER)
        addresses = resolve_checked(hop.host, hop.port, private=self.trusted, deadline=self.deadline, resolve=self.resolve)
        return Route(scheme=hop.scheme, host=hop.host, port=hop.port, addresses=addresses, deadline=self.deadline)

    def _headers(self, hop: Hop) -> dict[str, str]:
        headers = {"User-Agent": "tagger", "Accept": "image/*,*/*;q=0.1", "Accept-Encoding": "identity", "Connection": "close"}
        auth = self.policy.auth_for(hop) if self.with_auth else None
        if auth is not None:
            headers["Authorization"] = auth
        return headers

    def _ask(self, hop: Hop, route: Route) -> Fetched | str:
        """Bytes, or the Location of a redirect."""
        adapter = PinnedAdapter(route, tls_context(self.policy.ca_file))
        try:
            request = requests.Request("GET", hop.url, headers=self._headers(hop)).prepare()
            response = adapter.exchange(request)
            try:
                return self._answer(hop, response)
            finally:
                response.close()
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as err:
            raise self._failure(hop, err) from None  # the cause's text may hold the whole URL
        finally:
            adapter.close()

    def _answer(self, hop: Hop, response: requests.Response) -> Fetched | str:
        status, headers = response.status_code, response.headers
        if status in REDIRECTS and headers.get("location"):
            return headers["location"]
        if status >= 500 or status in RETRYABLE_4XX:
            raise FetchFailed(f"{hop.masked} answered {status}.", errors=URL_POINTER)
        if status not in (200, 203):
            raise FetchRefused(f"{hop.masked} answered {status}.", errors=URL_POINTER)
        data = read_body(response.raw, headers, self.policy.max_bytes, lambda size: self.share.take(size, self.deadline))
        if looks_like_html(data):
            raise DecodeError(
                "The URL returned HTML, not an image.", "Send bytes, or allow tagger to fetch the file.", errors=URL_POINTER
            )
        return Fetched(
            data=data,
            sha256=hashlib.sha256(data).hexdigest(),
            content_type=_plain(headers),
            final_url=hop.masked.removesuffix("?…"),
        )

    def _failure(self, hop: Hop, err: Exception) -> FetchFailed:
        if time.monotonic() >= self.deadline:
            return FetchFailed(f"{hop.masked} did not give the image in time.", errors=URL_POINTER)
        if isinstance(err, requests.exceptions.SSLError):
            return FetchFailed(f"The certificate or TLS of {hop.origin} is not valid.", errors=URL_POINTER)
        return FetchFailed(f"The connection to {hop.origin} failed.", errors=URL_POINTER)


def _plain(headers: Mapping[str, str]) -> str | None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind if kind and len(kind) <= 100 and kind.isprintable() else None
