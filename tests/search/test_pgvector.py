"""The index `pgvector` on a real PostgreSQL with the real extension: the contract of every index, and what only it does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from support.ledger_cases.world import World, description
from support.postgres import Cluster, cluster
from support.vector_index_contract import MODEL, VectorIndexContract, entries, nearest, some_vectors

from tagger.errors import SettingsError
from tagger.ledger import Ledger, open_ledger
from tagger.ledger.tables import embeddings
from tagger.search.asset_key import asset_key
from tagger.search.index import Entry
from tagger.search.pgvector import PgvectorIndex
from tagger.services.search.refresh import refresh


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


class Joined(PgvectorIndex):
    """With the rows of the ledger that a vector hangs on: stored before it, and erased in its place."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._of = ledger
        self._of.prepare_vectors()
        self._names: set[tuple[str, str]] = set()

    def put(self, site_id: str, model: str, made: Sequence[Entry]) -> None:
        name = model.partition("@")[0]
        rows = [
            {"site_id": site_id, "name": name, "asset_id": e.asset_id, "model": model, "vector": e.vector, "job_id": e.job_id}
            for e in made
        ]
        self._of._write(lambda tx: tx.conn.execute(insert(embeddings).on_conflict_do_nothing(), rows))
        self._names.update((site_id, e.asset_id) for e in made)
        super().put(site_id, model, made)

    def forget(self, site_id: str, keys: Collection[str]) -> None:
        for site, asset in self._names:
            if site == site_id and asset_key(site, asset) in keys:
                mine = (embeddings.c.site_id == site, embeddings.c.asset_id == asset)
                self._of._write(lambda tx, mine=mine: tx.conn.execute(delete(embeddings).where(*mine)))


@pytest.fixture
def index(server: Cluster) -> Iterator[Joined]:
    ledger = open_ledger(server.create())
    ledger.migrate()
    yield Joined(ledger)
    ledger.close()


class TestPgvector(VectorIndexContract):
    pass


@pytest.fixture
def world(server: Cluster) -> Iterator[World]:
    made = World(server.create())
    yield made
    made.ledger.close()


def described(world: World, asset: str, vector: np.ndarray, site: str = "s") -> None:  # type: ignore[type-arg]
    [accepted] = world.ledger.accept([world.request(asset, site=site)])
    found = description(embedding=(MODEL, vector.astype("<f2").tobytes()))
    assert world.ledger.complete(world.claimed(accepted.job_id), found, None)


def test_an_erased_asset_takes_its_vector_along_in_the_same_transaction(world: World) -> None:
    index = PgvectorIndex(world.ledger)
    vectors = some_vectors(3)
    for n, vector in enumerate(vectors):
        described(world, f"a{n}", vector)
    refresh(world.ledger, index, "s", fresh_ms=0)
    assert nearest(index, vectors[1])[0] == "a1"
    world.ledger.erase_asset("s", "a1")
    assert set(nearest(index, vectors[1])) == {"a0", "a2"}, "at once: nothing was brought up to date"
    world.ledger.erase_site("s")
    assert nearest(index, vectors[1]) == []


def test_a_vector_of_an_asset_that_was_erased_meanwhile_is_not_stored(world: World) -> None:
    index = PgvectorIndex(world.ledger)
    index.position("s")
    index.put("s", MODEL, entries(some_vectors(1)))
    assert dict(index.models("s")) == {}


def test_a_small_site_beside_a_large_one_finds_all_of_its_own(index: Joined) -> None:
    """HNSW meets the vectors of the large site first."""
    index.put("large", MODEL, entries(some_vectors(3000)))
    small = some_vectors(30, seed=5)
    index.put("small", MODEL, entries(small))
    assert len(nearest(index, small[0], site="small", limit=30)) == 30
    assert nearest(index, small[7], site="small")[0] == "a7"


def test_two_processes_make_the_tables_at_once(server: Cluster) -> None:
    from concurrent.futures import ThreadPoolExecutor

    url = server.create()
    ledgers = [open_ledger(url) for _ in range(3)]
    ledgers[0].migrate()
    indexes = [Joined(ledger) for ledger in ledgers]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda pair: pair[1].put("s", MODEL, entries(some_vectors(5), first=10 * pair[0])), enumerate(indexes)))
    assert indexes[0].models("s")[MODEL].vectors == 15
    for ledger in ledgers:
        ledger.close()


def test_sqlite_is_told_so(tmp_path: Path) -> None:
    world = World.on_sqlite(tmp_path / "ledger.sqlite")
    with pytest.raises(SettingsError, match="needs a ledger on PostgreSQL"):
        PgvectorIndex(world.ledger).position("s")
    world.ledger.close()
