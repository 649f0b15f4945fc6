"""What a backfill met: one row per asset. So no asset is fed twice, and each has its line in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, null, select
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.backfill import SKIP, BackfillItem
from tagger.delivery import Delivery
from tagger.job import Job, JobRequest
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.jobs import load_jobs
from tagger.ledger.sending.deliveries import deliveries_of
from tagger.ledger.tables import backfill_items, jobs
from tagger.ledger.values import Accepted, Page
from tagger.pace import Pace

PUT = insert(backfill_items).on_conflict_do_nothing(index_elements=["backfill_id", "asset_id"])
NAMES = tuple(BackfillItem.__dataclass_fields__)
PUT_ONE = PUT.returning(backfill_items.c.asset_id)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a page of a library says of an asset beside the request for its job."""

    asset_id: str
    skipped: str = ""
    present: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class PageNotes:
    """What is stored with a page beside its jobs and its cursor."""

    listed: Sequence[Listing] = ()
    seen: int | None = None  # assets on the page, if there are more than requests
    pace: Pace | None = None


@dataclass(frozen=True, kw_only=True)
class ItemResult:
    """An asset of a backfill with what came of it."""

    item: BackfillItem
    job: Job | None  # None: skipped, or erased since
    deliveries: tuple[Delivery, ...]  # of the job, oldest first; one that undoes another is among them


class BackfillItems(Store):
    def backfill_results(self, backfill_id: str, *, cursor: str | None = None, limit: int = 200) -> Page[ItemResult]:
        """In the order of the ids of the assets."""
        stmt = select(backfill_items).where(backfill_items.c.backfill_id == backfill_id)
        stmt = stmt.order_by(backfill_items.c.asset_id).limit(limit + 1)
        if cursor is not None:
            stmt = stmt.where(backfill_items.c.asset_id > cursor)

        def work(conn: Connection) -> Page[ItemResult]:
            rows = conn.execute(stmt).all()
            items = [BackfillItem(**{name: row._mapping[name] for name in NAMES}) for row in rows[:limit]]
            ids = [item.job_id for item in items if item.job_id is not None]
            found = {job.id: job for job in load_jobs(conn, conn.execute(select(jobs).where(jobs.c.id.in_(ids))).all())}
            sent: dict[str, list[Delivery]] = {}
            for delivery in deliveries_of(conn, list(found)):
                sent.setdefault(delivery.job_id, []).append(delivery)
            data = [
                ItemResult(item=item, job=found.get(item.job_id or ""), deliveries=tuple(sent.get(item.job_id or "", ())))
                for item in items
            ]
            return Page(data=data, next_cursor=items[-1].asset_id if len(rows) > limit else None)

        return self._read(work)


def unmet(tx: Tx, backfill_id: str, requests: Sequence[JobRequest]) -> list[JobRequest]:
    """Of these requests, one for each asset that the backfill has not met. The caller holds the row of the backfill."""
    first = {request.asset_id: request for request in reversed(requests)}
    stmt = select(backfill_items.c.asset_id).where(
        backfill_items.c.backfill_id == backfill_id, backfill_items.c.asset_id.in_(list(first))
    )
    met = set(tx.conn.execute(stmt).scalars()) if first else set[str]()
    return [request for request in requests if request.asset_id not in met and first[request.asset_id] is request]


def store_items(
    tx: Tx, backfill_id: str, requests: Sequence[JobRequest], answers: Sequence[Accepted], listed: Sequence[Listing]
) -> None:
    present = {listing.asset_id: listing.present for listing in listed if listing.present is not None}
    rows = [
        {"asset_id": request.asset_id, "job_id": answer.job_id, "skipped": ""}
        for request, answer in zip(requests, answers, strict=True)
    ]
    _put(tx, backfill_id, rows, present)
    counts = Counter[str]()
    for listing in listed:
        if listing.skipped:
            row = {"asset_id": listing.asset_id, "job_id": None, "skipped": listing.skipped}
            values = {"backfill_id": backfill_id, **row, "present": present.get(listing.asset_id) or null()}
            counts[listing.skipped] += len(tx.conn.execute(PUT_ONE.values(values)).all())
    for reason, number in counts.items():
        tx.add("backfill", backfill_id, SKIP + reason, number)


def _put(tx: Tx, backfill_id: str, rows: Sequence[dict[str, Any]], present: Mapping[str, Any]) -> None:
    bare = [{"backfill_id": backfill_id, **row} for row in rows if row["asset_id"] not in present]
    shown = [
        {"backfill_id": backfill_id, **row, "present": dict(present[row["asset_id"]])}
        for row in rows
        if row["asset_id"] in present
    ]
    if bare:
        tx.conn.execute(PUT, bare)
    if shown:
        tx.conn.execute(PUT, shown)
