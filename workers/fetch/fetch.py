"""Reads the bytes of an image from a URL, an uploaded blob or a local file, safely (promises I2 and I3).

Each redirect is parsed, resolved and checked again. Errors name the host but never user info, a query or a secret.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException

import urllib3

from tagger.asset import ImageSource
from tagger.blobs import Blobs
from tagger.errors import AddressForbidden, DecodeError, FetchFailed, FetchRefused, ImageNotThereYet, NotFound, UrlInvalid
from tagger.net.addresses import AllowedHost
from tagger.net.body import looks_like_html, read_body
from tagger.net.pinned import Resolve, Route, open_connection, resolve_checked, system_resolve, tls_context
from tagger.net.url import URL_POINTER, Hop, follow, parse_url
from tagger.settings import MIB
from tagger.site import Site
from workers.fetch.byte_budget import ByteBudget, Reservation
from workers.fetch.files import read_file

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
RETRYABLE_4XX = frozenset({408, 425, 429})
MISSING = frozenset({403, 404})  # what a file that is not public yet is answered with


@dataclass(frozen=True, kw_only=True)
class FetchPolicy:
    """What a fetch for one site may do."""

    max_bytes: int = 32 * MIB  # of the image, after any content decoding
    ports: frozenset[int] = frozenset({80, 443, 8080, 8443})  # for hosts that the site did not name
    allowed_hosts: tuple[AllowedHost, ...] = ()  # these may have private addresses, and get `auth`
    auth: str | None = field(default=None, repr=False)  # an Authorization header
    ca_file: str | None = None  # a bundle in place of the public one
    may_be_early: bool = False  # a hook came just now: the file may not be public yet, so 403, 404 and no bytes are tried again

    @classmethod
    def of(cls, site: Site, max_bytes: int = 32 * MIB, *, may_be_early: bool = False) -> FetchPolicy:
        return cls(
            max_bytes=max_bytes,
            may_be_early=may_be_early,
            allowed_hosts=AllowedHost.known(site.allowed_hosts),
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
    reservation: Reservation | None = None,
) -> Fetched:
    """Gets the bytes of `source` before `deadline`, a `time.monotonic()` reading.

    Errors: AddressForbidden (UrlInvalid among them), ImageTooLarge, EncodingInvalid, FetchRefused (4xx, missing, not a plain
    file), ImageNotThereYet (retryable: 403, 404, a page or no bytes just after a hook), FetchFailed (retryable: network, 5xx,
    time), DecodeError (HTML in place of an image), StorageUnavailable (blobs), DecoderUnavailable (no memory for encoded images
    is free). `reservation`: of the memory for encoded images; the caller releases it when it drops the bytes.
    """
    reservation = reservation or Reservation(ByteBudget())
    if source.kind == "url":
        fetched = _Walk(policy, deadline, resolve, reservation).fetch(source.location)
        reservation.shrink(len(fetched.data))
        return fetched
    reservation.acquire(policy.max_bytes, deadline)
    if source.kind == "file":
        data = read_file(source.location, source.root, policy.max_bytes)
    else:
        data = _read_blob(blobs, source.location)
    reservation.shrink(len(data))
    return Fetched(data=data, sha256=hashlib.sha256(data).hexdigest())


def _read_blob(blobs: Blobs | None, key: str) -> bytes:
    if blobs is None:
        raise FetchRefused("This worker has no store of uploaded bytes.")
    try:
        return blobs.get(key)
    except NotFound as err:
        raise FetchRefused(str(err), "Send the bytes again.") from err


class _Walk:
    """One fetch over HTTP: hop by hop until bytes or an error."""

    def __init__(self, policy: FetchPolicy, deadline: float, resolve: Resolve, reservation: Reservation) -> None:
        self.reservation = reservation
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
            onward = follow(hop, answer)
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
        try:
            connection = open_connection(route, tls_context(self.policy.ca_file))
            try:
                headers = self._headers(hop)
                connection.request("GET", hop.target, headers=headers, preload_content=False, decode_content=False)
                return self._answer(hop, connection.getresponse())
            finally:
                connection.close()
        except (urllib3.exceptions.HTTPError, HTTPException, OSError) as err:
            raise self._failure(hop, err) from None  # the cause's text may hold the whole URL

    def _answer(self, hop: Hop, response: urllib3.BaseHTTPResponse) -> Fetched | str:
        status, headers = response.status, response.headers
        if status in REDIRECTS and (locations := {text for text in headers.getlist("location") if text}):
            if len(locations) > 1:
                raise UrlInvalid(f"{hop.masked} redirects to two places at once.", errors=URL_POINTER)
            return locations.pop()
        if status in MISSING and self.policy.may_be_early:
            raise ImageNotThereYet(f"{hop.masked} answered {status}.", errors=URL_POINTER)
        if status >= 500 or status in RETRYABLE_4XX:
            raise FetchFailed(f"{hop.masked} answered {status}.", errors=URL_POINTER)
        if status not in (200, 203):
            raise FetchRefused(f"{hop.masked} answered {status}.", errors=URL_POINTER)
        data = read_body(response, headers, self.policy.max_bytes, lambda size: self.reservation.acquire(size, self.deadline))
        if not data and self.policy.may_be_early:
            raise ImageNotThereYet(f"{hop.masked} gave an empty file.", errors=URL_POINTER)
        if looks_like_html(data) and self.policy.may_be_early:  # a 404 of a CMS that answers 200
            raise ImageNotThereYet(f"{hop.masked} gave a page, not an image.", errors=URL_POINTER)
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
        if isinstance(err, ssl.SSLError | urllib3.exceptions.SSLError):
            return FetchFailed(f"The certificate or TLS of {hop.origin} is not valid.", errors=URL_POINTER)
        return FetchFailed(f"The connection to {hop.origin} failed.", errors=URL_POINTER)


def _plain(headers: Mapping[str, str]) -> str | None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind if kind and len(kind) <= 100 and kind.isprintable() else None
