"""What is let go: an asset or a site at a word, and by age what nobody asks for any more.

Of an asset only its number of writes stays (`assets`): a later write must have a higher one, or its receiver refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, func, select

from tagger.ids import first_id
from tagger.job import OPEN
from tagger.ledger.moves import end_job
from tagger.ledger.store import Store
from tagger.ledger.tables import (
    attempts,
    dead_letters,
    deliveries,
    embeddings,
    idempotency,
    job_requests,
    job_results,
    jobs,
    prediction_cache,
    provenance,
    word_is,
    workers,
)
from tagger.ledger.writer import Tx

BATCH = 200  # rows in one transaction: a heartbeat must not wait for a purge
IDEMPOTENT_MS = 86_400_000
ENDED = word_is(jobs.c.status, "done", "superseded", "cancelled", "dead")


@dataclass(frozen=True, kw_only=True)
class Erased:
    jobs: int = 0
    blobs: tuple[str, ...] = ()  # keys of uploaded bytes that nobody wants any more

    def __add__(self, other: Erased) -> Erased:
        return Erased(jobs=self.jobs + other.jobs, blobs=self.blobs + other.blobs)


class Retention(Store):
    def count_jobs(self, *, site_id: str | None = None, asset_id: str | None = None, before_ms: int | None = None) -> int:
        """How many jobs a purge would take: all of a site or an asset, or those that ended and began before `before_ms`."""
        stmt = select(func.count()).select_from(jobs).where(*_chosen(site_id, asset_id, before_ms))
        return int(self._read(lambda conn: conn.execute(stmt).scalar_one()))

    def erase_asset(self, site_id: str, asset_id: str) -> Erased:
        """Its jobs (open ones are cancelled), texts, vectors, cached predictions, letters and what we knew that we wrote."""
        erased = self._erase_jobs(_chosen(site_id, asset_id, None), with_cache=True)
        self._forget(site_id, asset_id)
        return erased

    def erase_site(self, site_id: str) -> Erased:
        """All assets of a site as `erase_asset` does; the site, its keys and its endpoint stay."""
        erased = self._erase_jobs(_chosen(site_id, None, None), with_cache=True)
        self._forget(site_id, None)
        return erased

    def expire_jobs(self, before_ms: int, *, site_id: str | None = None) -> Erased:
        """Jobs that ended and began before `before_ms`, with their deliveries. The newest vector of an asset stays."""
        return self._erase_jobs(_chosen(site_id, None, before_ms), with_cache=False)

    def expire_rest(self, before_ms: int) -> int:
        """Attempts, cached predictions and ended processes from before `before_ms`; idempotency keys of more than a day."""
        day_ago = self.now_ms() - IDEMPOTENT_MS
        return (
            self._trim(attempts, [attempts.c.id], attempts.c.at_ms < before_ms)
            + self._trim(prediction_cache, [prediction_cache.c.key], prediction_cache.c.at_ms < before_ms)
            + self._trim(workers, [workers.c.id], workers.c.ended_ms < before_ms)
            + self._trim(idempotency, [idempotency.c.key], idempotency.c.at_ms < day_ago)
        )

    def _erase_jobs(self, chosen: Sequence[ColumnElement[bool]], *, with_cache: bool) -> Erased:
        erased = Erased()

        def work(tx: Tx) -> Erased:
            rows = tx.conn.execute(select(jobs).where(*chosen).order_by(jobs.c.id).limit(BATCH).with_for_update()).all()
            return _erase(tx, rows, with_cache) if rows else Erased()

        while (some := self._write(work)).jobs:
            erased += some
        return erased

    def _forget(self, site_id: str, asset_id: str | None) -> None:
        def work(tx: Tx) -> None:
            for table in (embeddings, provenance, dead_letters):
                asset = () if asset_id is None else (table.c.asset_id == asset_id,)
                tx.conn.execute(delete(table).where(table.c.site_id == site_id, *asset))

        self._write(work)

    def _trim(self, table: Table, key: list[Any], old: ColumnElement[bool]) -> int:
        """Delete in batches what is old. Returns how many rows went."""
        some = select(*key).where(old).limit(BATCH * 5)
        stmt = delete(table).where(key[0].in_(some.scalar_subquery()), old)
        total = 0
        while went := self._write(lambda tx: tx.conn.execute(stmt).rowcount):
            total += went
        return total


def _chosen(site_id: str | None, asset_id: str | None, before_ms: int | None) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = []
    if site_id is not None:
        chosen.append(jobs.c.site_id == site_id)
    if asset_id is not None:
        chosen.append(jobs.c.asset_id == asset_id)
    if before_ms is not None:
        chosen += [jobs.c.id < first_id("job", before_ms), ENDED]  # ids begin with their time: the primary key is the index
    return chosen


def _erase(tx: Tx, rows: Sequence[Any], with_cache: bool) -> Erased:
    """Counters follow; the counts of a campaign stay, as its history."""
    ids = [row.id for row in rows]
    for row in rows:
        if row.status in OPEN:
            end_job(tx, row, "cancelled")
        tx.add("job", row.lane, "cancelled" if row.status in OPEN else row.status, -1)
    mine = select(deliveries.c.id, deliveries.c.status).where(deliveries.c.job_id.in_(ids))
    sent = tx.conn.execute(mine).all()
    for delivery in sent:
        tx.add("delivery", "", delivery.status, -1)
    delivery_ids = [delivery.id for delivery in sent]
    location = job_requests.c.body["source"]["location"].as_string()
    is_blob = job_requests.c.body["source"]["kind"].as_string() == "blob"
    blobs = tuple(tx.conn.execute(select(location).where(job_requests.c.job_id.in_(ids), is_blob)).scalars())
    if with_cache:
        for sha in set(tx.conn.execute(select(job_results.c.sha256).where(job_results.c.job_id.in_(ids))).scalars()):
            same = prediction_cache.c.key.between(sha + "0" * 64, sha + "f" * 64)  # a key begins with its image's hash
            tx.conn.execute(delete(prediction_cache).where(same))
    tx.conn.execute(delete(attempts).where(attempts.c.delivery_id.in_(delivery_ids)))
    tx.conn.execute(delete(dead_letters).where(dead_letters.c.id.in_([*ids, *delivery_ids])))
    tx.conn.execute(delete(jobs).where(jobs.c.id.in_(ids)))  # the rest goes with it
    return Erased(jobs=len(ids), blobs=blobs)
