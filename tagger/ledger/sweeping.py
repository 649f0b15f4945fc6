"""What a sweep compares with the library of a CMS: the assets that are known, and their newest version."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from tagger.errors import NotFound
from tagger.ledger.db.store import Store
from tagger.ledger.sending.outcomes import provenance_of
from tagger.ledger.tables import job_requests, jobs, offers, sites
from tagger.provenance import Provenance

JOBS_SEARCHED = 50  # the newest of an asset, for the labels of its tags


@dataclass(frozen=True, kw_only=True)
class KnownAsset:
    asset_id: str
    revision: str | None  # of the newest job; None: it named none
    of_folder: bool  # its image came from a folder, so the CMS need not have it
    provenance: Provenance
    tags: tuple[str, ...]  # labels of the tags that tagger put on


class Sweeping(Store):
    def known_assets(self, site_id: str, *, after: str = "", limit: int = 100) -> Sequence[KnownAsset]:
        """Assets that have jobs, by their id."""
        newest = select(jobs.c.asset_id, func.max(jobs.c.id).label("job")).where(jobs.c.site_id == site_id)
        newest = newest.where(jobs.c.asset_id > after).group_by(jobs.c.asset_id).order_by(jobs.c.asset_id).limit(limit)
        chosen = newest.subquery()
        stmt = select(chosen.c.asset_id, chosen.c.job, job_requests.c.body).join(
            job_requests, job_requests.c.job_id == chosen.c.job
        )

        def work(conn: Connection) -> Sequence[KnownAsset]:
            return [_known(conn, site_id, found) for found in conn.execute(stmt.order_by(chosen.c.asset_id))]

        return self._read(work)

    def unknown_assets(self, site_id: str, ids: Collection[str]) -> set[str]:
        """Those of these ids for which there never was a job."""
        stmt = select(jobs.c.asset_id).distinct().where(jobs.c.site_id == site_id, jobs.c.asset_id.in_(ids))
        return set(ids) - self._read(lambda conn: set(conn.execute(stmt).scalars())) if ids else set()

    def swept_at(self, site_id: str) -> int | None:
        """When the last complete sweep began (ms)."""
        stmt = select(sites.c.swept_ms).where(sites.c.id == site_id)
        return self._read(lambda conn: conn.execute(stmt).scalar())

    def put_swept(self, site_id: str, began_ms: int) -> None:
        """Errors: NotFound."""
        change = update(sites).where(sites.c.id == site_id).values(swept_ms=began_ms)
        if not self._write(lambda tx: tx.conn.execute(change).rowcount):
            raise NotFound(f"No site {site_id!r}.")


def _known(conn: Connection, site_id: str, found: Any) -> KnownAsset:
    known = provenance_of(conn, site_id, found.asset_id)
    return KnownAsset(
        asset_id=found.asset_id,
        revision=found.body.get("asset_revision"),
        of_folder=found.body.get("source", {}).get("kind") == "file",
        provenance=known,
        tags=_labels(conn, site_id, found.asset_id, known.tags.ours),
    )


def _labels(conn: Connection, site_id: str, asset_id: str, ids: Collection[str]) -> tuple[str, ...]:
    if not ids:
        return ()
    mine = select(jobs.c.id).where(jobs.c.site_id == site_id, jobs.c.asset_id == asset_id)
    newest = mine.order_by(jobs.c.id.desc()).limit(JOBS_SEARCHED)
    bodies = conn.execute(select(offers.c.body).where(offers.c.job_id.in_(newest), offers.c.field == "tags")).scalars()
    tags = [tag for body in bodies for tag in body.get("value") or ()]
    return tuple(dict.fromkeys(tag["label"] for tag in tags if tag["id"] in ids))
