"""The index `pgvector`: HNSW in the PostgreSQL of the ledger. All processes share it, and it answers in milliseconds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tagger.ledger import Ledger
from tagger.ledger.vectors import StoredRow
from tagger.prediction import Vector
from tagger.search.index import Entry, Match, ModelState


class PgvectorIndex:
    """A VectorIndex. Errors of the constructor: SettingsError, LedgerUnavailable."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._prepared = False

    def position(self, site_id: str) -> int | None:
        if not self._prepared:  # at the first use: the ledger may be away while a process starts
            self._ledger.prepare_vectors()
            self._prepared = True
        return self._ledger.vector_position(site_id)

    def advance(self, site_id: str, at_ms: int) -> None:
        self._ledger.advance_vectors(site_id, at_ms)

    def clear(self, site_id: str) -> None:
        self._ledger.clear_vectors(site_id)

    def names(self, site_id: str) -> list[str]:
        return self._ledger.vector_names(site_id)

    def models(self, site_id: str) -> Mapping[str, ModelState]:
        found = self._ledger.vector_models(site_id)
        return {model: ModelState(vectors=count, newest_job=newest) for model, (count, newest) in found.items()}

    def jobs(self, site_id: str, model: str, assets: Sequence[str]) -> Mapping[str, str]:
        return self._ledger.vector_jobs(site_id, model, assets)

    def put(self, site_id: str, model: str, entries: Sequence[Entry]) -> None:
        rows = [StoredRow(asset_id=e.asset_id, job_id=e.job_id, vector=np.frombuffer(e.vector, "<f2").tolist()) for e in entries]
        self._ledger.put_vectors(site_id, model, rows)

    def forget(self, site_id: str, keys: Collection[str]) -> None:
        """Nothing to do: a vector goes in the transaction that erases its asset from the ledger."""

    def drop(self, site_id: str, model: str) -> None:
        self._ledger.drop_vectors(site_id, model)

    def vector(self, site_id: str, model: str, asset_id: str) -> Vector | None:
        found = self._ledger.stored_vector(site_id, model, asset_id)
        return None if found is None else np.array(found, np.float32)

    def search(
        self, site_id: str, model: str, vector: Vector, *, limit: int, among: Collection[str] | None = None
    ) -> list[Match]:
        found = self._ledger.nearest_vectors(site_id, model, vector.tolist(), limit=limit, among=among)
        return [Match(asset_id=asset, similarity=cosine) for asset, cosine in found]
