"""Proves the way from an image to a site's CMS and back, with a test image of which nothing stays.

The CMS has no asset with the id of the test. So its receiver answers `gone`, and writes nothing. That answer shows that the
endpoint, the secret and the protocol are right, and that a worker describes images.
"""

from __future__ import annotations

import hashlib
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tagger.asset import ImageSource
from tagger.blobs import Blobs
from tagger.errors import NotFound, StorageUnavailable
from tagger.ids import new_id
from tagger.job import JobRequest
from tagger.ledger import Ledger
from tagger.site import Site

SECONDS = 60.0
POLL_SECONDS = 0.2
SIDE = 64


@dataclass(frozen=True, kw_only=True)
class RoundTrip:
    ok: bool
    detail: str
    remedy: str = ""


def round_trip(
    ledger: Ledger, blobs: Blobs, site: Site, *, seconds: float = SECONDS, pause: Callable[[float], None] = time.sleep
) -> RoundTrip:
    """Errors: LedgerUnavailable, StorageUnavailable."""
    asset = new_id("tst", ledger.now_ms())
    data = sample_image()
    key = blobs.put(data)
    source = ImageSource(kind="blob", location=key, sha256=hashlib.sha256(data).hexdigest())
    request = JobRequest(site_id=site.id, asset_id=asset, source=source, profile=site.profile, locales=site.locales)
    [accepted] = ledger.accept([request])
    try:
        return _awaited(ledger, accepted.job_id, time.monotonic() + seconds, pause)
    finally:
        for stored in {key, *ledger.erase_asset(site.id, asset, deleted=False).blobs}:
            _delete(blobs, stored)


def _awaited(ledger: Ledger, job_id: str, deadline: float, pause: Callable[[float], None]) -> RoundTrip:
    while True:
        try:
            found = _state(ledger, job_id)
        except NotFound:  # the CMS said that it has no such asset, so everything about it was erased
            return RoundTrip(ok=True, detail="The test image was described, and the CMS answered that it has no such asset.")
        if found is not None:
            return found
        if time.monotonic() > deadline:
            status = ledger.job_status(job_id)
            remedy = "Run `tagger doctor`, then try again."
            return RoundTrip(ok=False, detail=f"The test image is still {status}, without an answer of the CMS.", remedy=remedy)
        pause(POLL_SECONDS)


def _state(ledger: Ledger, job_id: str) -> RoundTrip | None:
    """What can be said already; None: wait. Errors: NotFound after the job was erased."""
    job = ledger.job(job_id)
    if job.status == "dead" and job.error is not None:
        return RoundTrip(ok=False, detail=f"The test image failed: {job.error.detail}", remedy=job.error.remedy)
    if job.delivery_id is None:
        if job.status == "done":
            remedy = "Set the endpoint with `tagger sites set`, and leave --tell-unwritten on."
            return RoundTrip(ok=False, detail="The test image was described, and no message was due.", remedy=remedy)
        return None
    delivery = ledger.delivery(job.delivery_id)
    if delivery.status == "delivered":
        return RoundTrip(ok=True, detail="The test image was described, and the CMS took the message.")
    if delivery.error is not None:  # a first attempt that fails is enough: the answer does not depend on the moment
        error = delivery.error
        return RoundTrip(ok=False, detail=str(error["detail"]), remedy=str(error["remedy"]))
    return None


def _delete(blobs: Blobs, key: str) -> None:
    try:
        blobs.delete(key)
    except (NotFound, StorageUnavailable):
        return  # the worker deleted it after the description, or the hourly sweep will


def sample_image() -> bytes:
    """A small PNG with a gradient."""
    rows = b"".join(b"\0" + bytes(c for x in range(SIDE) for c in (4 * x, 4 * y, 128)) for y in range(SIDE))
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
