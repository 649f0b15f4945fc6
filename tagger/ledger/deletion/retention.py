"""Deletion: an asset or a site on request, and old rows by age. It works in batches, so that no other process waits long."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Column, ColumnElement, and_, delete, exists, func, select, tuple_

from tagger.ids import first_id
from tagger.ledger import usage
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.deletion.erasure import BATCH, KNOWLEDGE, Erased, erase_asset, erase_jobs
from tagger.ledger.intake.hook_words import IS_HOOK_WORDS
from tagger.ledger.searching.describing import note_site
from tagger.ledger.tables import (
    attempts,
    audit_log,
    backfill_items,
    backfills,
    counters,
    deliveries,
    erased_assets,
    erased_jobs,
    idempotency,
    jobs,
    prediction_cache,
    word_is,
    workers,
)

IDEMPOTENT_MS = 86_400_000
ERASED_MS = 7 * 86_400_000  # a CMS stops repeating a hook after some days
HOOK_WORDS_MS = 7 * 86_400_000  # and stops trying to send the bytes that follow one
REQUESTS = list(idempotency.primary_key.columns)
ITEMS = list(backfill_items.primary_key.columns)
_TELLS = exists().where(deliveries.c.job_id == jobs.c.id, word_is(deliveries.c.status, "pending", "sending", "parked"))
ENDED = and_(word_is(jobs.c.status, "done", "superseded", "cancelled", "dead"), ~_TELLS)  # a failure must be delivered first

OnBatch = Callable[[Erased], None]


class Retention(Store):
    def count_jobs(self, *, site_id: str | None = None, asset_id: str | None = None, before_ms: int | None = None) -> int:
        """How many jobs a purge would erase: all of a site or an asset, or ended ones that began before `before_ms`."""
        stmt = select(func.count()).select_from(jobs).where(*_chosen(site_id, asset_id, before_ms))
        return int(self._read(lambda conn: conn.execute(stmt).scalar_one()))

    def erase_asset(self, site_id: str, asset_id: str, *, deleted: bool = False) -> Erased:
        """Erase its jobs (open ones are cancelled), texts, vectors, cached predictions, dead letters and provenance in one
        transaction. After it, no worker can store anything for these jobs.

        `deleted`: the CMS deleted the asset. For a week, an earlier hook that arrives again creates no job; its old job is
        returned as cancelled.
        """
        return self._write(lambda tx: erase_asset(tx, site_id, asset_id, deleted=deleted))

    def erase_site(self, site_id: str, on_batch: OnBatch | None = None) -> Erased:
        """Erase all assets of a site. The site, its keys and its endpoint stay.

        `on_batch` is called after the commit of each batch.
        """
        erased = self._erase_jobs(_chosen(site_id, None, None), on_batch, with_cache=True)
        self._trim(REQUESTS, and_(IS_HOOK_WORDS, idempotency.c.site_id == site_id))
        self._trim(ITEMS, _items_of(backfills.c.site_id == site_id))
        for table in KNOWLEDGE:
            self._trim(list(table.primary_key.columns), table.c.site_id == site_id)
        self._write(lambda tx: note_site(tx, site_id))
        return erased

    def expire_jobs(self, before_ms: int, *, site_id: str | None = None, on_batch: OnBatch | None = None) -> Erased:
        """Erase ended jobs that began before `before_ms`, with their deliveries. The newest vector of an asset stays."""
        return self._erase_jobs(_chosen(site_id, None, before_ms), on_batch, with_cache=False)

    def expire_rest(self, before_ms: int) -> int:
        """Delete attempts, cached predictions, ended processes and what ended backfills met from before `before_ms`, idempotency
        keys after a day, and the records of erased jobs and the words of hooks whose bytes never came after a week.
        """
        now_ms = self.now_ms()
        return (
            self._trim([attempts.c.id], attempts.c.at_ms < before_ms)
            + self._trim([prediction_cache.c.key], prediction_cache.c.at_ms < before_ms)
            + self._trim([workers.c.id], workers.c.ended_ms < before_ms)
            + self._trim(ITEMS, _items_of(_ended_before(before_ms)))
            + self._trim(REQUESTS, and_(~IS_HOOK_WORDS, idempotency.c.at_ms < now_ms - IDEMPOTENT_MS))
            + self._trim(REQUESTS, and_(IS_HOOK_WORDS, idempotency.c.at_ms < now_ms - HOOK_WORDS_MS))
            + self._trim(list(erased_assets.primary_key.columns), erased_assets.c.at_ms < now_ms - ERASED_MS)
            + self._trim([erased_jobs.c.identity], erased_jobs.c.at_ms < now_ms - ERASED_MS)
            + self._trim(list(counters.primary_key.columns), usage.before(now_ms))
        )

    def expire_audit_log(self, before_ms: int) -> int:
        return self._trim([audit_log.c.id], audit_log.c.at_ms < before_ms)

    def _erase_jobs(self, chosen: Sequence[ColumnElement[bool]], on_batch: OnBatch | None, *, with_cache: bool) -> Erased:
        def work(tx: Tx) -> Erased:
            rows = tx.conn.execute(select(jobs).where(*chosen).order_by(jobs.c.id).limit(BATCH).with_for_update()).all()
            return Erased(jobs=len(rows), blobs=tuple(erase_jobs(tx, rows, with_cache=with_cache))) if rows else Erased()

        count, blobs = 0, list[str]()
        while (some := self._write(work)).jobs:
            count += some.jobs
            blobs += some.blobs
            if on_batch is not None:
                on_batch(some)
        return Erased(jobs=count, blobs=tuple(blobs))

    def _trim(self, key: Sequence[Column[object]], old: ColumnElement[bool]) -> int:
        """Delete in batches the rows that are `old`, by their primary key. Returns how many went."""
        some = select(*key).where(old).limit(BATCH * 5)
        stmt = delete(key[0].table).where(tuple_(*key).in_(some) if len(key) > 1 else key[0].in_(some), old)
        total = 0
        while went := self._write(lambda tx: tx.conn.execute(stmt).rowcount):
            total += went
        return total


def _items_of(chosen: ColumnElement[bool]) -> ColumnElement[bool]:
    return backfill_items.c.backfill_id.in_(select(backfills.c.id).where(chosen))


def _ended_before(before_ms: int) -> ColumnElement[bool]:
    """Backfills that ended, and of which no job began since: their report says only that their images are erased."""
    younger = exists().where(jobs.c.backfill_id == backfills.c.id, jobs.c.id >= first_id("job", before_ms))
    return and_(word_is(backfills.c.status, "done", "cancelled"), backfills.c.started_ms < before_ms, ~younger)


def _chosen(site_id: str | None, asset_id: str | None, before_ms: int | None) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = []
    if site_id is not None:
        chosen.append(jobs.c.site_id == site_id)
    if asset_id is not None:
        chosen.append(jobs.c.asset_id == asset_id)
    if before_ms is not None:
        chosen += [jobs.c.id < first_id("job", before_ms), ENDED]  # ids begin with their time: the primary key is the index
    return chosen
