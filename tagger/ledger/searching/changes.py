"""What changed since an index of vectors was last brought up to date."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from tagger.ledger.db.store import Store
from tagger.ledger.tables import described_assets, embeddings, erased_assets
from tagger.ledger.values import Page


@dataclass(frozen=True, kw_only=True)
class VectorChange:
    """The latest vector of an asset."""

    asset_id: str
    job_id: str
    model: str  # name@revision


class VectorChanges(Store):
    def erased_since(self, site_id: str, since_ms: int) -> list[str]:
        """Keys of the assets that were erased; "": the whole site was."""
        stmt = select(erased_assets.c.asset_key).where(erased_assets.c.site_id == site_id, erased_assets.c.at_ms >= since_ms)
        return self._read(lambda conn: list(conn.execute(stmt).scalars()))

    def vectors_since(self, site_id: str, since_ms: int, *, cursor: str | None = None, limit: int = 2000) -> Page[VectorChange]:
        """By asset id. `cursor`: the last asset of the page before."""
        chosen = (described_assets.c.site_id == site_id, described_assets.c.changed_ms >= since_ms)
        stmt = select(described_assets.c.asset_id).where(*chosen).order_by(described_assets.c.asset_id).limit(limit + 1)
        if cursor is not None:
            stmt = stmt.where(described_assets.c.asset_id > cursor)

        def work(conn: Connection) -> Page[VectorChange]:
            assets = list(conn.execute(stmt).scalars())
            last = assets[limit - 1] if len(assets) > limit else None
            mine = (embeddings.c.site_id == site_id, embeddings.c.asset_id.in_(assets[:limit]))
            rows = conn.execute(select(embeddings.c.asset_id, embeddings.c.job_id, embeddings.c.model).where(*mine))
            newest: dict[str, VectorChange] = {}
            for row in sorted(rows, key=lambda row: row.job_id):  # an older model's vector stays in the ledger beside the newer
                newest[row.asset_id] = VectorChange(asset_id=row.asset_id, job_id=row.job_id, model=row.model)
            return Page(data=list(newest.values()), next_cursor=last)

        return self._read(work)

    def vector_bytes(self, site_id: str, changes: list[VectorChange]) -> dict[VectorChange, bytes]:
        """The vectors of these; without those that changed again or were erased meanwhile."""
        if not changes:
            return {}
        names = {change.model.partition("@")[0] for change in changes}
        mine = and_(
            embeddings.c.site_id == site_id,
            embeddings.c.name.in_(names),
            embeddings.c.asset_id.in_([change.asset_id for change in changes]),
        )
        stmt = select(embeddings.c.asset_id, embeddings.c.job_id, embeddings.c.model, embeddings.c.vector).where(mine)
        wanted = set(changes)

        def work(conn: Connection) -> dict[VectorChange, bytes]:
            found = {}
            for row in conn.execute(stmt):
                change = VectorChange(asset_id=row.asset_id, job_id=row.job_id, model=row.model)
                if change in wanted:
                    found[change] = bytes(row.vector)
            return found

        return self._read(work)
