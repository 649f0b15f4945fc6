"""What a sweep compares with the library of a CMS: the assets that are known, and their newest version. Erases missing ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from tagger.job import OPEN
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.deletion.erasure import Erased, erase_asset
from tagger.ledger.offered_tags import offered_tags
from tagger.ledger.sending.outcomes import provenance_of
from tagger.ledger.tables import backfills, job_requests, jobs, sites
from tagger.provenance import Provenance

TEST = "tst_"  # so begin the assets of `tagger sites check`, which no library lists
NOT_OF_LIBRARY = ("csv", "folder")  # kinds of backfills whose assets the CMS need not know

Kept = Literal["test", "newer_job", "open_job", "not_of_library"]  # why the data of a missing asset is not erased


class _Raced(Exception):
    """Raised to roll back the erasure of an asset that got a job meanwhile."""


@dataclass(frozen=True, kw_only=True)
class KnownAsset:
    asset_id: str
    revision: str | None  # of the newest job that delivers; None: it named none
    of_folder: bool  # its image came from a folder, so the CMS need not have it
    provenance: Provenance
    tags: tuple[str, ...]  # labels of the tags that tagger put on


class Sweeping(Store):
    def known_assets(self, site_id: str, *, after: str = "", limit: int = 100) -> Sequence[KnownAsset]:
        """Assets that have jobs, by their id. A job that delivers nothing, as of a dry run, does not count."""
        newest = select(jobs.c.asset_id, func.max(jobs.c.id).label("job")).where(jobs.c.site_id == site_id, jobs.c.delivers)
        newest = newest.where(jobs.c.asset_id > after).group_by(jobs.c.asset_id).order_by(jobs.c.asset_id).limit(limit)
        chosen = newest.subquery()
        stmt = select(chosen.c.asset_id, chosen.c.job, job_requests.c.body).join(
            job_requests, job_requests.c.job_id == chosen.c.job
        )

        def work(conn: Connection) -> Sequence[KnownAsset]:
            return [_known(conn, site_id, found) for found in conn.execute(stmt.order_by(chosen.c.asset_id))]

        return self._read(work)

    def unknown_assets(self, site_id: str, ids: Collection[str]) -> set[str]:
        """Those of these ids for which there never was a job that delivers."""
        mine = (jobs.c.site_id == site_id, jobs.c.asset_id.in_(ids), jobs.c.delivers)
        stmt = select(jobs.c.asset_id).distinct().where(*mine)
        return set(ids) - self._read(lambda conn: set(conn.execute(stmt).scalars())) if ids else set()

    def why_kept(self, site_id: str, asset_id: str, *, began_ms: int) -> Kept | None:
        """Why a sweep that began then must not erase the asset, though the CMS does not list it; None: it may."""
        return self._read(lambda conn: _why_kept(conn, site_id, asset_id, began_ms)[0])

    def erase_missing(self, site_id: str, asset_id: str, *, began_ms: int) -> Kept | None:
        """Erase the asset as after `asset.deleted`, unless there is a reason to keep it, which is returned. One transaction."""

        def work(tx: Tx) -> Erased | Kept:
            kept, count = _why_kept(tx.conn, site_id, asset_id, began_ms, lock=True)
            if kept is not None:
                return kept
            erased = erase_asset(tx, site_id, asset_id, deleted=True)
            if erased.jobs != count:
                raise _Raced
            return erased

        try:
            done = self._write(work)
        except _Raced:
            return "newer_job"
        return None if isinstance(done, Erased) else done

    def swept_at(self, site_id: str) -> int | None:
        """When the last complete sweep began (ms). None also where it is in the future, because the clock was ahead."""
        stmt = select(sites.c.swept_ms).where(sites.c.id == site_id, sites.c.swept_ms <= self.now_ms())
        return self._read(lambda conn: conn.execute(stmt).scalar())


def _why_kept(conn: Connection, site_id: str, asset_id: str, began_ms: int, *, lock: bool = False) -> tuple[Kept | None, int]:
    """The reason, and how many jobs the asset has."""
    stmt = select(jobs.c.status, jobs.c.created_ms, job_requests.c.body, backfills.c.kind).where(
        jobs.c.site_id == site_id, jobs.c.asset_id == asset_id
    )
    joined = jobs.join(job_requests, job_requests.c.job_id == jobs.c.id)
    joined = joined.outerjoin(backfills, backfills.c.id == jobs.c.backfill_id)
    stmt = stmt.select_from(joined)
    rows = conn.execute(stmt.with_for_update(of=jobs) if lock else stmt).all()
    if asset_id.startswith(TEST):
        return "test", len(rows)
    if any(row.created_ms >= began_ms for row in rows):
        return "newer_job", len(rows)
    if any(row.status in OPEN for row in rows):
        return "open_job", len(rows)
    return None if any(_of_library(row) for row in rows) else "not_of_library", len(rows)


def _of_library(row: Any) -> bool:
    """Whether the CMS itself named the asset: in a hook, or in its library. A job by the API shows neither."""
    body = row.body
    if not body.get("deliver", True):
        return False
    named = body.get("event_id") is not None or bool(body.get("listed"))
    return named or (row.kind is not None and row.kind not in NOT_OF_LIBRARY)


def _known(conn: Connection, site_id: str, found: Any) -> KnownAsset:
    known = provenance_of(conn, site_id, found.asset_id)
    offered = offered_tags(conn, site_id, found.asset_id) if known.tags.ours else ()
    return KnownAsset(
        asset_id=found.asset_id,
        revision=found.body.get("asset_revision"),
        of_folder=found.body.get("source", {}).get("kind") == "file",
        provenance=known,
        tags=tuple(dict.fromkeys(label for tag, label in offered if tag in known.tags.ours)),
    )
