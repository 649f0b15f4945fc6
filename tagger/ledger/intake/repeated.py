"""Decides whether a request that matches a known job needs a new job: the image returned to an earlier version, or the request
asks for more than before.

The identity of the new job follows from the identity of the known job. So concurrent calls still create only one job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from tagger.errors import BadRequest
from tagger.job import JobRequest
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import job_requests, jobs, word_is

STEP = 16  # repetitions that one query looks for
BY_IDENTITY = select(jobs).where(jobs.c.identity.in_(bindparam("identities", expanding=True)))
REQUEST = select(job_requests.c.body).where(job_requests.c.job_id == bindparam("job"))
NEWEST = (
    select(jobs.c.id, job_requests.c.body)
    .join(job_requests, job_requests.c.job_id == jobs.c.id)
    .where(
        jobs.c.site_id == bindparam("site"),
        jobs.c.asset_id == bindparam("asset"),
        jobs.c.profile == bindparam("of_profile"),
        jobs.c.delivers,
        word_is(jobs.c.status, "accepted", "running", "described", "done"),
    )
    .order_by(jobs.c.id.desc())
    .limit(1)
)


def latest(tx: Tx, identity: bytes) -> tuple[Any, bytes]:
    """The newest job of a known identity, and the identity for one more job."""
    found: Any = tx.conn.execute(BY_IDENTITY, {"identities": [identity]}).one()
    start = 1
    while True:
        chain = [_repeated(identity, number) for number in range(start, start + STEP)]
        rows = {bytes(row.identity): row for row in tx.conn.execute(BY_IDENTITY, {"identities": chain})}
        for step in chain:
            if step not in rows:
                return found, step
            found = rows[step]
        start += STEP


def _repeated(identity: bytes, number: int) -> bytes:
    return hashlib.sha256(identity + number.to_bytes(4, "big")).digest()


def outdated(tx: Tx, job: Any, request: JobRequest) -> bool:
    """Whether `request` asks for more than `job`, the newest job of its identity, wrote or will write.

    A request with a lower revision than the newest is a late copy. A request with an event id never reaches this function: it is
    the same event each time.
    """
    campaign = request.backfill_id not in (None, job.backfill_id)
    if job.status == "cancelled" or (campaign and (request.anew or job.status == "dead")):
        return True
    if job.status != "dead" and falls_short(_body(tx, job.id), request, exactly=campaign):
        return True
    if not request.deliver:
        return False
    newest = tx.conn.execute(
        NEWEST, {"site": request.site_id, "asset": request.asset_id, "of_profile": request.profile}
    ).one_or_none()
    if newest is None:
        return bool(job.status == "superseded")  # by one that was cancelled or died
    if newest.id == job.id or (newest.id < job.id and job.status != "superseded"):
        return False
    return not is_lower([request.asset_revision, newest.body["asset_revision"]])


def falls_short(before: Mapping[str, Any], request: JobRequest, *, exactly: bool = False) -> bool:
    """Whether a job with the body `before` does not write what `request` asks for. `exactly`: it must write the same, in the same
    order."""
    if request.deliver and not before["deliver"]:
        return True
    fields, locales = list(request.fields), list(request.locales)
    if exactly:
        return (fields, locales) != (before["fields"], before["locales"])
    return not (set(fields) <= set(before["fields"]) and set(locales) <= set(before["locales"]))


def _body(tx: Tx, job_id: str) -> Mapping[str, Any]:
    body: Mapping[str, Any] = tx.conn.execute(REQUEST, {"job": job_id}).scalar_one()
    return body


def request_of(tx: Tx, job_id: str) -> JobRequest | None:
    """None: it cannot be read."""
    try:
        return JobRequest.from_dict(_body(tx, job_id))
    except BadRequest:
        return None


def adds_to(tx: Tx, job_id: str, request: JobRequest) -> bool:
    """Whether `request` has the same image as this job and asks for fewer fields than the job writes."""
    before = _body(tx, job_id)
    source = before["source"]
    pictured = (before["asset_revision"], source.get("sha256"), source.get("location"))
    if pictured != (request.asset_revision, request.source.sha256, request.source.location):
        return False
    return not (set(before["fields"]) <= set(request.fields) and set(before["locales"]) <= set(request.locales))


def same_version(tx: Tx, job_id: str, request: JobRequest) -> bool:
    """Whether the job has a version of the same kind and value. False if its body cannot be read."""
    before = request_of(tx, job_id)
    return before is not None and before.version == request.version


def is_lower(revisions: Sequence[str | None]) -> bool:
    """Both versions are revision numbers, and the first one is lower."""
    if not all(revision is not None and revision.isascii() and revision.isdigit() for revision in revisions):
        return False
    ours, newest = (int(str(revision)) for revision in revisions)
    return ours < newest
