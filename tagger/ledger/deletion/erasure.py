"""Erases jobs and all rows that belong to them, inside a transaction of the caller.

Of an asset only the sequence number stays (`assets`). A later delivery must have a higher number, or its receiver refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.job import OPEN
from tagger.ledger.db.writer import Tx
from tagger.ledger.intake.hook_words import forget_hook_words
from tagger.ledger.searching.describing import note_asset
from tagger.ledger.tables import (
    attempts,
    backfill_items,
    backfills,
    dead_letters,
    deliveries,
    described_assets,
    embeddings,
    erased_jobs,
    job_requests,
    job_results,
    jobs,
    prediction_cache,
    provenance,
    search_terms,
)
from tagger.ledger.tables.rows import JobRow
from tagger.ledger.transitions import UNSENT, end_job

BATCH = 200  # rows in one transaction: a heartbeat must not wait for a purge
OF_ASSET = select(jobs).where(jobs.c.site_id == bindparam("site"), jobs.c.asset_id == bindparam("asset"))
OF_ASSET = OF_ASSET.order_by(jobs.c.id).limit(BATCH).with_for_update()
NOTE = insert(erased_jobs).on_conflict_do_nothing(index_elements=["identity"])
KNOWLEDGE = (embeddings, provenance, dead_letters, described_assets, search_terms)  # rows of an asset besides its jobs


@dataclass(frozen=True, kw_only=True)
class Erased:
    jobs: int = 0
    blobs: tuple[str, ...] = ()  # keys of uploaded bytes that no job needs any more


def erase_asset(tx: Tx, site_id: str, asset_id: str, *, deleted: bool) -> Erased:
    """Erase all of one asset. `deleted`: the CMS deleted it; an earlier hook that arrives again creates no new job."""
    count, blobs = 0, list[str]()
    while rows := tx.conn.execute(OF_ASSET, {"site": site_id, "asset": asset_id}).all():
        if deleted:
            tx.conn.execute(NOTE, [{"identity": row.identity, "job_id": row.id, "at_ms": tx.now_ms} for row in rows])
        blobs += erase_jobs(tx, rows, with_cache=True)
        count += len(rows)
    forget_hook_words(tx, site_id, asset_id)
    mine = select(backfills.c.id).where(backfills.c.site_id == site_id)
    tx.conn.execute(delete(backfill_items).where(backfill_items.c.backfill_id.in_(mine), backfill_items.c.asset_id == asset_id))
    for table in KNOWLEDGE:
        went = tx.conn.execute(delete(table).where(table.c.site_id == site_id, table.c.asset_id == asset_id)).rowcount
        if table is described_assets and went:
            note_asset(tx, site_id, asset_id)
    return Erased(jobs=count, blobs=tuple(blobs))


def erase_jobs(tx: Tx, rows: Sequence[JobRow], *, with_cache: bool) -> list[str]:
    """Returns the keys of their bytes. The counters are updated, except those of a backfill, which are its history."""
    ids = [row.id for row in rows]
    for row in rows:
        if row.status in OPEN:
            end_job(tx, row, "cancelled")
        tx.add("job", row.lane, "cancelled" if row.status in OPEN else row.status, -1)
    mine = select(deliveries.c.id, deliveries.c.status, deliveries.c.undo_id).where(deliveries.c.job_id.in_(ids))
    sent = tx.conn.execute(mine).all()
    for delivery in sent:
        tx.add("delivery", "", delivery.status, -1)
        if delivery.undo_id is not None and delivery.status in UNSENT:
            tx.add("backfill", delivery.undo_id, "reverting", -1)
    delivery_ids = [delivery.id for delivery in sent]
    location = job_requests.c.body["source"]["location"].as_string()
    is_blob = job_requests.c.body["source"]["kind"].as_string() == "blob"
    blobs = list(tx.conn.execute(select(location).where(job_requests.c.job_id.in_(ids), is_blob)).scalars())
    if with_cache:
        for sha in set(tx.conn.execute(select(job_results.c.sha256).where(job_results.c.job_id.in_(ids))).scalars()):
            same = prediction_cache.c.key.between(sha + "0" * 64, sha + "f" * 64)  # a key begins with its image's hash
            tx.conn.execute(delete(prediction_cache).where(same))
    tx.conn.execute(delete(attempts).where(attempts.c.delivery_id.in_(delivery_ids)))
    tx.conn.execute(delete(dead_letters).where(dead_letters.c.id.in_([*ids, *delivery_ids])))
    tx.conn.execute(delete(jobs).where(jobs.c.id.in_(ids)))  # the rest goes with it
    return blobs
