"""Stores the message of a job: its description or its failure. Each message is a delivery with a sequence number of its asset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from sqlalchemy import Connection, bindparam, select

from tagger.delivery import DeliveryStatus, coverage
from tagger.errors import ErrorInfo
from tagger.ids import new_id
from tagger.job import JobRequest
from tagger.ledger.db import counters
from tagger.ledger.db.prepared import Prepared, columns_of
from tagger.ledger.db.writer import Tx
from tagger.ledger.jobs import load_jobs
from tagger.ledger.sending.sequences import asked, covered_by, next_sequence
from tagger.ledger.tables import deliveries, delivery_bodies, endpoints, job_requests, jobs, sites, word_is
from tagger.ledger.tables.rows import JobRow
from tagger.ledger.transitions import move_delivery
from tagger.message import DESCRIBED, FAILED, MessageType, of_description, of_failure

PUT_DELIVERY = Prepared(deliveries.insert(), columns_of(deliveries, without=("replayed_ms", "token", "worker_id")))
PUT_BODY = Prepared(delivery_bodies.insert(), columns_of(delivery_bodies, without=("error", "previous")))
TAKES = Prepared(select(endpoints.c.enabled, endpoints.c.circuit).where(endpoints.c.site_id == bindparam("site")))
WAITING = select(deliveries).where(
    deliveries.c.site_id == bindparam("site"),
    deliveries.c.asset_id == bindparam("asset"),
    word_is(deliveries.c.status, "pending", "parked"),
)
WAITING = WAITING.with_for_update()
SITE = select(sites.c.body).where(sites.c.id == bindparam("site"))
REQUEST = select(job_requests.c.body).where(job_requests.c.job_id == bindparam("job"))

# A message of a backfill goes behind those of uploads that were described up to this much later: a person waits for an upload.
# With a plain order, an archive delayed the texts of an upload by as long as the archive's messages waited.
UPLOADS_FIRST_MS = 600_000


@dataclass(frozen=True, kw_only=True)
class Message:
    delivery_id: str
    job_id: str
    site_id: str
    asset_id: str
    type: MessageType
    fields: Mapping[str, Any] = field(default_factory=dict)  # to write
    notice: Mapping[str, Any]  # tagger/message.py
    metadata: Mapping[str, Any]
    asked: Iterable[tuple[str, str]] = ()  # (field, locale)
    of_backfill: bool
    undo_id: str | None = None  # the backfill of kind `undo`
    trace: str | None = None  # of the job


def endpoint_of(tx: Tx, site_id: str) -> Any:
    """Whether the endpoint of the site accepts deliveries now. None: there is no endpoint."""
    key = ("endpoint", site_id)
    if key not in tx.memo:
        tx.memo[key] = TAKES.one_or_none(tx.conn, {"site": site_id})
    return tx.memo[key]


def notice_of(conn: Connection, job_id: str, body: Any) -> Mapping[str, Any]:
    """What the message of this row of `delivery_bodies` tells beside the fields. A process of an older version stored nothing
    there; then it is made from the job's description."""
    if body.notice or body.type != DESCRIBED:
        return dict(body.notice)
    [job] = load_jobs(conn, conn.execute(select(jobs).where(jobs.c.id == job_id)).all())
    return {} if job.description is None else of_description(job.description)


def store_description(
    tx: Tx, delivery_id: str, job_id: str, request: JobRequest, fields: Mapping[str, Any], notice: Mapping[str, Any]
) -> None:
    """The site has an endpoint."""
    message = Message(
        delivery_id=delivery_id, job_id=job_id, site_id=request.site_id, asset_id=request.asset_id, type=DESCRIBED,
        fields=fields, notice=notice, metadata=request.metadata, asked=product(request.fields, request.locales),
        of_backfill=request.lane == "backfill",
        trace=request.trace,
    )  # fmt: skip
    store_message(tx, message)


def store_failure(tx: Tx, row: JobRow, error: ErrorInfo) -> str | None:
    """Store the failure of the job of `row`, if the site asks for failures. Returns the id of the delivery."""
    if not row.delivers or endpoint_of(tx, row.site_id) is None:
        return None
    site: Any = tx.conn.execute(SITE, {"site": row.site_id}).scalar_one_or_none()
    request: Any = tx.conn.execute(REQUEST, {"job": row.id}).scalar_one_or_none()
    if site is None or not site.get("tell_failed", True) or not isinstance(request, dict):
        return None
    metadata, trace = request.get("metadata"), request.get("trace")
    message = Message(
        delivery_id=new_id("dlv", tx.now_ms), job_id=row.id, site_id=row.site_id, asset_id=row.asset_id, type=FAILED,
        notice=of_failure(error), metadata=metadata if isinstance(metadata, dict) else {}, asked=asked(request),
        of_backfill=row.backfill_id is not None,
        trace=trace if isinstance(trace, str) else None,
    )  # fmt: skip
    store_message(tx, message)
    return message.delivery_id


def store_message(tx: Tx, message: Message) -> None:
    """The newest message of an asset supersedes waiting messages that it covers. It waits for the others, in order."""
    endpoint = endpoint_of(tx, message.site_id)
    status: DeliveryStatus = "pending" if endpoint.enabled and endpoint.circuit == "closed" else "parked"
    asset = {"site_id": message.site_id, "asset_id": message.asset_id}
    sequence = next_sequence(tx, **asset)
    if sequence > 1 and message.undo_id is None:
        covers = coverage(message.fields, message.asked)
        for old in tx.conn.execute(WAITING, {"site": message.site_id, "asset": message.asset_id}).all():
            if covered_by(tx, old.id) <= covers:
                move_delivery(tx, old, "superseded")
    due_ms = tx.now_ms if message.of_backfill else tx.now_ms - UPLOADS_FIRST_MS
    times = {"due_ms": due_ms, "created_ms": tx.now_ms, "updated_ms": tx.now_ms}
    row = {"id": message.delivery_id, "job_id": message.job_id, **asset, "status": status, "sequence": sequence, **times}
    PUT_DELIVERY.run(tx.conn, {**row, "attempts": 0, "tries": 0, "undo_id": message.undo_id})
    said = {"fields": dict(message.fields), "metadata": dict(message.metadata), "outcomes": []}
    body = {
        "delivery_id": message.delivery_id,
        **said,
        "type": message.type,
        "notice": dict(message.notice),
        "trace": message.trace,
    }
    PUT_BODY.run(tx.conn, body)
    counters.delivery_moved(tx, None, status)
    if message.undo_id is not None:
        tx.add("backfill", message.undo_id, "reverting", 1)
