"""Search: time, recall, ingest rate and size of the indexes of vectors. `python -m bench.search [--exact N] [--pgvector N]`.

The vectors are random, in 500 clusters, as those of photographs are: without clusters every vector is as far as every other, and
recall says nothing. The exact index is the truth for the recall of pgvector; its filter on the site is that of the product.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tagger.ledger import open_ledger
from tagger.prediction import Vector
from tagger.search.exact import ExactIndex
from tagger.search.index import Entry, VectorIndex
from tagger.search.pgvector import PgvectorIndex

MODEL, SITE = "bench@1", "bench"
CLUSTERS, SPREAD = 500, 0.8
QUERIES, AT_ONCE = 100, 10_000
TOP = 10


class Made:
    """The same vectors in each run."""

    def __init__(self, numbers: int) -> None:
        self._rng = np.random.default_rng(11)
        self.numbers = numbers
        self._centres = self._rng.normal(size=(CLUSTERS, numbers)).astype(np.float32) / numbers**0.5

    def vectors(self, count: int) -> Vector:
        noise = self._rng.standard_normal((count, self.numbers), np.float32) * (SPREAD / self.numbers**0.5)
        rows = self._centres[self._rng.integers(0, CLUSTERS, count)] + noise
        made: Vector = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return made

    def entries(self, count: int) -> Iterator[list[Entry]]:
        for start in range(0, count, AT_ONCE):
            rows = self.vectors(min(AT_ONCE, count - start)).astype("<f2")
            yield [Entry(asset_id=f"a{start + n}", job_id=f"job_{start + n}", vector=row.tobytes()) for n, row in enumerate(rows)]


def timed(name: str, ask: Callable[[Vector], object], queries: Vector) -> None:
    taken = []
    for query in queries:
        begun = time.perf_counter()
        ask(query)
        taken.append((time.perf_counter() - begun) * 1000)
    print(
        f"{name}: p50 {np.percentile(taken, 50):.1f} ms, p95 {np.percentile(taken, 95):.1f} ms ({len(taken)} queries)", flush=True
    )


def fill(index: VectorIndex, made: Made, count: int, name: str, before: Callable[[list[Entry]], None] = lambda _: None) -> None:
    spent = 0.0
    for entries in made.entries(count):
        before(entries)
        begun = time.perf_counter()
        index.put(SITE, MODEL, entries)
        spent += time.perf_counter() - begun
    index.advance(SITE, 1)
    print(f"{name}: {count:,} × {made.numbers} stored, {count / spent:,.0f} vectors/s", flush=True)


def exact(count: int, numbers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        index, made = ExactIndex(Path(folder)), Made(numbers)
        fill(index, made, count, "exact")
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        print(f"exact: {size / 1e6:,.0f} MB of files, {size / count:.0f} bytes an image", flush=True)
        queries = made.vectors(QUERIES)
        index.search(SITE, MODEL, queries[0], limit=TOP)  # reads the file into memory
        timed("exact", lambda query: index.search(SITE, MODEL, query, limit=TOP), queries)
        few = [f"a{n}" for n in range(0, count, max(1, count // 1000))]
        timed("exact, a filter leaves 1,000", lambda query: index.search(SITE, MODEL, query, limit=TOP, among=few), queries)


def pgvector(count: int, numbers: int) -> None:
    sys.path.insert(0, "tests")
    from sqlalchemy import insert, text
    from support.postgres import CONFIG, cluster

    from tagger.ledger.tables import embeddings

    CONFIG.update({"shared_buffers": "'2GB'", "maintenance_work_mem": "'1GB'", "max_wal_size": "'4GB'"})
    with cluster() as server, tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger(server.create())
        ledger.migrate()
        index, truth, made = PgvectorIndex(ledger), ExactIndex(Path(folder)), Made(numbers)
        index.position(SITE)

        def in_ledger(entries: list[Entry]) -> None:
            rows = [
                {"site_id": SITE, "name": "bench", "asset_id": e.asset_id, "model": MODEL, "vector": e.vector, "job_id": e.job_id}
                for e in entries
            ]
            ledger._write(lambda tx: tx.conn.execute(insert(embeddings), rows))
            truth.put(SITE, MODEL, entries)

        fill(index, made, count, "pgvector", in_ledger)
        ledger._write(lambda tx: tx.conn.execute(text("ANALYZE")))
        of_all = text("SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname LIKE 'vectors\\_%' AND relkind = 'r'")
        size = int(ledger._read(lambda conn: conn.execute(of_all).scalar_one()))
        print(f"pgvector: {size / 1e6:,.0f} MB of table and index, {size / count:.0f} bytes an image", flush=True)
        queries = made.vectors(QUERIES)
        timed("pgvector", lambda query: index.search(SITE, MODEL, query, limit=TOP), queries)
        hits = 0
        for query in queries:
            wanted = {match.asset_id for match in truth.search(SITE, MODEL, query, limit=TOP)}
            hits += len(wanted & {match.asset_id for match in index.search(SITE, MODEL, query, limit=TOP)})
        print(f"pgvector: recall@{TOP} {hits / (TOP * QUERIES):.3f}", flush=True)
        few = [f"a{n}" for n in range(0, count, max(1, count // 1000))]
        timed("pgvector, a filter leaves 1,000", lambda query: index.search(SITE, MODEL, query, limit=TOP, among=few), queries)
        ledger.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--exact", type=int, default=1_000_000, help="vectors in the exact index; 0: none")
    parser.add_argument("--pgvector", type=int, default=50_000, help="vectors in PostgreSQL; 0: none")
    parser.add_argument("--numbers", type=int, default=384, help="numbers of a vector")
    args = parser.parse_args()
    if args.exact:
        exact(args.exact, args.numbers)
    if args.pgvector:
        pgvector(args.pgvector, args.numbers)
    print(f"largest resident memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
