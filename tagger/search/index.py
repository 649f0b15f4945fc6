"""VectorIndex: finds the nearest vectors of a site. The ledger holds the vectors; an index is a copy that can be made anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tagger.prediction import Vector


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A vector to store."""

    asset_id: str
    job_id: str  # that made it
    vector: bytes  # float16, little-endian, of length one


@dataclass(frozen=True, kw_only=True)
class Match:
    asset_id: str
    similarity: float  # cosine


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """The index of one model."""

    vectors: int
    newest_job: str  # ids begin with their time


class VectorIndex(Protocol):
    """One index for each site and model (name@revision). Methods of another site's name never see this site's vectors.

    Thread-safe. Several processes may use one index.
    """

    def position(self, site_id: str) -> int | None:
        """The time of the ledger up to which the changes of the site are in; None: the index is new or was damaged."""

    def advance(self, site_id: str, at_ms: int) -> None: ...

    def clear(self, site_id: str) -> None:
        """Erase everything of the site."""

    def names(self, site_id: str) -> list[str]:
        """The models, name@revision, of which the site has vectors."""

    def models(self, site_id: str) -> Mapping[str, ModelState]:
        """Reads every row: for a change of models, not for each search."""

    def jobs(self, site_id: str, model: str, assets: Sequence[str]) -> Mapping[str, str]:
        """Which job made the stored vector of each of these assets; only of those that are stored."""

    def put(self, site_id: str, model: str, entries: Sequence[Entry]) -> None: ...

    def forget(self, site_id: str, keys: Collection[str]) -> None:
        """Erase the vectors of assets, in the indexes of all models, by `asset_key`."""

    def drop(self, site_id: str, model: str) -> None: ...

    def vector(self, site_id: str, model: str, asset_id: str) -> Vector | None:
        """The stored vector of an asset."""

    def search(
        self, site_id: str, model: str, vector: Vector, *, limit: int, among: Collection[str] | None = None
    ) -> list[Match]:
        """The nearest first. `among`: only of these assets."""
