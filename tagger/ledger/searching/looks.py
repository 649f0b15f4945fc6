"""How the described images look: their perceptual hashes and vectors, to find near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from tagger.ledger.db.store import Store
from tagger.ledger.tables import described_assets, embeddings
from tagger.ledger.values import StoredVector

AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class AssetLook:
    asset_id: str
    look_hash: str  # 16 hex digits
    sha256: str  # of the file


class Looks(Store):
    def looks(self, site_id: str) -> list[AssetLook]:
        """Of the images that have a hash, in the order of their first description."""
        assets = described_assets.c
        stmt = select(assets.asset_id, assets.look_hash, assets.sha256)
        stmt = stmt.where(assets.site_id == site_id, assets.look_hash.is_not(None)).order_by(assets.first_ms, assets.asset_id)

        def work(conn: Connection) -> list[AssetLook]:
            return [AssetLook(asset_id=a, look_hash=look or "", sha256=sha) for a, look, sha in conn.execute(stmt)]

        return self._read(work)

    def vectors_of(self, site_id: str, assets: Sequence[str]) -> dict[str, StoredVector]:
        """The newest vector of each of these."""

        def work(conn: Connection) -> dict[str, StoredVector]:
            found: dict[str, StoredVector] = {}
            for start in range(0, len(assets), AT_ONCE):
                mine = (embeddings.c.site_id == site_id, embeddings.c.asset_id.in_(assets[start : start + AT_ONCE]))
                for row in conn.execute(select(embeddings).where(*mine).order_by(embeddings.c.job_id)):
                    found[row.asset_id] = StoredVector(asset_id=row.asset_id, model=row.model, vector=bytes(row.vector))
            return found

        return self._read(work)
