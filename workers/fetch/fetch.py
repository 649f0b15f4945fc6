"""Reads the bytes of an image from a URL, an uploaded blob or a local file, safely (promises I2 and I3).

Each redirect is parsed, resolved and checked again. Errors name the host but never user info, a query or a secret.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tagger.asset import ImageSource
from tagger.blobs import Blobs
from tagger.errors import DecodeError, EncodingInvalid, FetchError, FetchFailed, FetchRefused, ImageNotThereYet, NotFound
from tagger.net.addresses import AddressPolicy, AllowedHost
from tagger.net.body import Raw, looks_like_html, read_body
from tagger.net.client import EarlyEnd, HttpClient, Pieces, Request, RequestFailed, is_cut
from tagger.net.pinned import Resolve, system_resolve
from tagger.net.retry_after import retry_after_ms
from tagger.net.url import URL_POINTER, Hop
from tagger.settings import MIB
from tagger.site import Site
from workers.fetch.byte_budget import ByteBudget, Reservation
from workers.fetch.files import read_file

MAX_REDIRECTS = 5
RETRYABLE_4XX = frozenset({408, 425, 429})
ANSWERS_RETRY_AFTER = frozenset({429, 503})
WITH_IMAGE = frozenset({200, 201, 202, 203})  # what comes with them is shown by browsers
WHOLE_RANGE = re.compile(r"bytes 0-(\d+)/(\d+)", re.ASCII)
MISSING = frozenset({403, 404})  # what a file that is not public yet is answered with


@dataclass(frozen=True, kw_only=True)
class FetchPolicy:
    """What a fetch for one site may do."""

    max_bytes: int = 32 * MIB  # of the image, after any content decoding
    addresses: AddressPolicy = field(default_factory=AddressPolicy)
    auth: str | None = field(default=None, repr=False)  # an Authorization header, for the hosts that `addresses` trusts
    ca_file: str | None = None  # a bundle in place of the public one
    last_attempt: bool = False  # a body that breaks off is returned as far as it came
    may_be_early: bool = False  # a hook came just now: the file may not be public yet, so 403, 404 and no bytes are tried again

    @classmethod
    def of(cls, site: Site, max_bytes: int = 32 * MIB, *, may_be_early: bool = False, last_attempt: bool = False) -> FetchPolicy:
        return cls(
            max_bytes=max_bytes,
            may_be_early=may_be_early,
            last_attempt=last_attempt,
            addresses=AddressPolicy(allowed_hosts=AllowedHost.known(site.allowed_hosts)),
            auth=site.fetch_auth,
        )


@dataclass(frozen=True, kw_only=True)
class Fetched:
    data: bytes = field(repr=False)
    sha256: str  # hex, of `data`
    content_type: str | None = None  # as the server says; never trusted
    final_url: str | None = None  # kind url: after redirects, without its query
    broke_off: FetchFailed | None = None  # why the bytes end early, at the last attempt


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
        fetched = _fetch_url(source.location, policy, deadline, HttpClient(ca_file=policy.ca_file, resolve=resolve), reservation)
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
        raise FetchRefused("This worker has no access to uploaded bytes.")
    try:
        return blobs.get(key)
    except NotFound as err:
        raise FetchRefused(str(err), "Send the bytes again.") from err


def _fetch_url(url: str, policy: FetchPolicy, deadline: float, client: HttpClient, reservation: Reservation) -> Fetched:
    request = Request(
        url=url,
        headers={"Accept": "image/*,*/*;q=0.1"},
        authorization=policy.auth,
        addresses=policy.addresses,
        deadline=deadline,
        redirects=MAX_REDIRECTS,
    )
    try:
        return client.exchange(
            request,
            lambda hop, response: _answer(hop, response, policy, lambda size: reservation.acquire(size, deadline)),
        )
    except RequestFailed as err:
        raise _failure(err, deadline) from None


def _patience_ms(status: int, headers: Mapping[str, str]) -> int | None:
    """For how long a server that limits its requests, or is away, asks to be left alone."""
    return retry_after_ms(headers.get("retry-after", ""), time.time()) if status in ANSWERS_RETRY_AFTER else None


class _Response(Raw, Pieces, Protocol):
    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


def _answer(hop: Hop, response: _Response, policy: FetchPolicy, room: Callable[[int], None]) -> Fetched:
    status, headers = response.status, response.headers
    if status in MISSING and policy.may_be_early:
        raise ImageNotThereYet(f"{hop.masked} answered {status}.", errors=URL_POINTER)
    if status >= 500 or status in RETRYABLE_4XX:
        raise FetchFailed(f"{hop.masked} answered {status}.", errors=URL_POINTER, retry_after_ms=_patience_ms(status, headers))
    if status not in WITH_IMAGE and not (status == 206 and _whole(headers)):
        raise FetchRefused(f"{hop.masked} answered {status}.", errors=URL_POINTER)
    data, fault = _body(response, policy, room)
    if not data and policy.may_be_early:
        raise ImageNotThereYet(f"{hop.masked} sent an empty file.", errors=URL_POINTER)
    if looks_like_html(data) and policy.may_be_early:  # a 404 of a CMS that answers 200
        raise ImageNotThereYet(f"{hop.masked} gave a page, not an image.", errors=URL_POINTER)
    if looks_like_html(data):
        raise DecodeError(
            "The URL returned HTML, not an image.",
            "Send the image's bytes, or allow tagger to fetch the file without a login.",
            errors=URL_POINTER,
        )
    return Fetched(
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        content_type=_plain(headers),
        final_url=hop.masked.removesuffix("?…"),
        broke_off=None if fault is None else _broke_off(hop, fault),
    )


def _body(response: _Response, policy: FetchPolicy, room: Callable[[int], None]) -> tuple[bytes, Exception | None]:
    """The bytes, and the fault that ended them too early. Errors: those of `read_body`; the fault, if the bytes are of no use."""
    if not policy.last_attempt:
        return read_body(response, response.headers, policy.max_bytes, room), None
    body, data = EarlyEnd(response), b""
    try:
        data = read_body(body, response.headers, policy.max_bytes, room)
    except EncodingInvalid:
        if body.fault is None:
            raise
    if body.fault is not None and not data:
        raise body.fault
    return data, body.fault


def _broke_off(hop: Hop, fault: Exception) -> FetchFailed:
    if is_cut(fault):
        return FetchFailed(f"{hop.masked} sent fewer bytes than it announced.", errors=URL_POINTER)
    if isinstance(fault.__cause__ or fault, TimeoutError):
        return FetchFailed(f"{hop.masked} did not give the image in time.", errors=URL_POINTER)
    return FetchFailed(f"{hop.origin} broke off.", errors=URL_POINTER)


def _failure(err: RequestFailed, deadline: float) -> FetchError:
    if err.stage == "redirects":
        return FetchRefused(str(err), errors=URL_POINTER)
    if err.stage == "resolve":
        return FetchFailed(str(err))
    if time.monotonic() >= deadline:
        return FetchFailed(f"{err.hop.masked} did not give the image in time.", errors=URL_POINTER)
    if err.tls:
        return FetchFailed(f"The certificate or TLS of {err.hop.origin} is not valid.", errors=URL_POINTER)
    if err.cut:
        return FetchFailed(f"{err.hop.masked} sent fewer bytes than it announced.", errors=URL_POINTER)
    if err.stage != "connect":
        return FetchFailed(f"{err.hop.origin} broke off, or its answer is not HTTP.", errors=URL_POINTER)
    return FetchFailed(f"The connection to {err.hop.origin} failed.", errors=URL_POINTER)


def _whole(headers: Mapping[str, str]) -> bool:
    """Whether an answer 206 holds all of the file. Some servers answer so although no range was asked for."""
    found = WHOLE_RANGE.fullmatch(headers.get("content-range", "").strip()[:64])
    return found is not None and int(found[1]) + 1 == int(found[2])


def _plain(headers: Mapping[str, str]) -> str | None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind if kind and len(kind) <= 100 and kind.isprintable() else None
