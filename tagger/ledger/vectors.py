"""Vectors in PostgreSQL with its extension pgvector, beside the ledger. The tables are made at the first use, because the
extension is optional.

One table for each model: an HNSW index needs one number of dimensions. Rows hang on those of `embeddings`: the transaction that
erases an asset erases its vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from tagger.errors import SettingsError
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx

EXACT_BELOW = 20_000  # a filter that leaves fewer rows is answered without HNSW, by reading them all
_SCAN = {
    "hnsw.ef_search": "200",  # candidates that HNSW keeps (docs/search.md has the recall)
    "hnsw.iterative_scan": "strict_order",  # it goes on while a filter rejects what it found
    "hnsw.max_scan_tuples": "40000",
}
LOCK_KEY = 0x7A66E3  # PostgreSQL's advisory lock: one process makes the tables

_SETUP = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    "CREATE TABLE IF NOT EXISTS vector_models (model TEXT PRIMARY KEY, numbers INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS vector_positions (site_id TEXT PRIMARY KEY, at_ms BIGINT NOT NULL)",
)
_TABLE = (
    "CREATE TABLE IF NOT EXISTS {table} (site_id VARCHAR(63) NOT NULL, name VARCHAR(63) NOT NULL, asset_id TEXT NOT NULL, "
    "job_id VARCHAR(40) NOT NULL, v halfvec({numbers}) NOT NULL, PRIMARY KEY (site_id, asset_id), "
    "FOREIGN KEY (site_id, name, asset_id) REFERENCES embeddings ON DELETE CASCADE)",
    "CREATE INDEX IF NOT EXISTS {table}_hnsw ON {table} USING hnsw (v halfvec_ip_ops)",
)


@dataclass(frozen=True, kw_only=True)
class StoredRow:
    asset_id: str
    job_id: str
    vector: Sequence[float]


def table_of(model: str) -> str:
    return "vectors_" + hashlib.sha256(model.encode()).hexdigest()[:16]


class Vectors(Store):
    """Errors of each method: SettingsError where the ledger is not PostgreSQL or has no pgvector; LedgerUnavailable."""

    def prepare_vectors(self) -> None:
        if self._url.get_backend_name() != "postgresql":
            raise SettingsError("The index `pgvector` needs a ledger on PostgreSQL.", "Set `ledger_url`.")

        def work(tx: Tx) -> None:
            tx.conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            try:
                with tx.conn.begin_nested():
                    for statement in _SETUP:
                        tx.conn.execute(text(statement))
            except DBAPIError as err:
                reason = str(err.orig).splitlines()[0] if err.orig is not None else type(err).__name__
                raise SettingsError(
                    f"PostgreSQL has no extension `vector`: {reason}.",
                    "Install pgvector 0.8 or newer on the server, and let its superuser run: CREATE EXTENSION vector.",
                ) from None

        self._write(work)

    def vector_position(self, site_id: str) -> int | None:
        stmt = text("SELECT at_ms FROM vector_positions WHERE site_id = :site")
        found: int | None = self._read(lambda conn: conn.execute(stmt, {"site": site_id}).scalar_one_or_none())
        return found

    def advance_vectors(self, site_id: str, at_ms: int) -> None:
        stmt = text("INSERT INTO vector_positions VALUES (:site, :at) ON CONFLICT (site_id) DO UPDATE SET at_ms = excluded.at_ms")
        self._write(lambda tx: tx.conn.execute(stmt, {"site": site_id, "at": at_ms}))

    def clear_vectors(self, site_id: str) -> None:
        def work(tx: Tx) -> None:
            for table in _tables(tx.conn).values():
                tx.conn.execute(text(f"DELETE FROM {table} WHERE site_id = :site"), {"site": site_id})  # noqa: S608
            tx.conn.execute(text("DELETE FROM vector_positions WHERE site_id = :site"), {"site": site_id})

        self._write(work)

    def vector_names(self, site_id: str) -> list[str]:
        """The models of which the site has vectors."""

        def work(conn: Connection) -> list[str]:
            def has_some(table: str) -> bool:
                stmt = text(f"SELECT EXISTS (SELECT FROM {table} WHERE site_id = :site)")  # noqa: S608
                return bool(conn.execute(stmt, {"site": site_id}).scalar_one())

            return [model for model, table in _tables(conn).items() if has_some(table)]

        return self._read(work)

    def vector_models(self, site_id: str) -> Mapping[str, tuple[int, str]]:
        """model → how many vectors, and the newest job among them."""

        def work(conn: Connection) -> Mapping[str, tuple[int, str]]:
            found = {}
            for model, table in _tables(conn).items():
                stmt = text(f"SELECT count(*), max(job_id) FROM {table} WHERE site_id = :site")  # noqa: S608
                count, newest = conn.execute(stmt, {"site": site_id}).one()
                if count:
                    found[model] = count, newest
            return found

        return self._read(work)

    def vector_jobs(self, site_id: str, model: str, assets: Sequence[str]) -> Mapping[str, str]:
        def work(conn: Connection) -> Mapping[str, str]:
            table = _tables(conn).get(model)
            if table is None:
                return {}
            stmt = text(f"SELECT asset_id, job_id FROM {table} WHERE site_id = :site AND asset_id = ANY(:assets)")  # noqa: S608
            return {row.asset_id: row.job_id for row in conn.execute(stmt, {"site": site_id, "assets": list(assets)})}

        return self._read(work)

    def put_vectors(self, site_id: str, model: str, rows: Sequence[StoredRow]) -> None:
        """Rows of assets that were erased meanwhile are left out."""
        if not rows:
            return
        table, name, numbers = table_of(model), model.partition("@")[0], len(rows[0].vector)
        # FOR KEY SHARE: an erasure at the same moment waits, and then takes this row along
        stmt = text(
            f"INSERT INTO {table} SELECT site_id, name, asset_id, :job, CAST(:v AS halfvec) FROM embeddings "  # noqa: S608
            "WHERE site_id = :site AND name = :name AND asset_id = :asset FOR KEY SHARE "
            "ON CONFLICT (site_id, asset_id) DO UPDATE SET job_id = excluded.job_id, v = excluded.v"
        )
        values = [
            {"site": site_id, "name": name, "asset": row.asset_id, "job": row.job_id, "v": _literal(row.vector)}
            for row in rows
            if len(row.vector) == numbers
        ]

        def work(tx: Tx) -> None:
            if model not in _tables(tx.conn):
                tx.conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
                for statement in _TABLE:
                    tx.conn.execute(text(statement.format(table=table, numbers=numbers)))
                known = text("INSERT INTO vector_models VALUES (:model, :numbers) ON CONFLICT DO NOTHING")
                tx.conn.execute(known, {"model": model, "numbers": numbers})
            tx.conn.execute(stmt, values)

        self._write(work)

    def drop_vectors(self, site_id: str, model: str) -> None:
        """The table goes with its last vector."""

        def work(tx: Tx) -> None:
            table = _tables(tx.conn).get(model)
            if table is None:
                return
            tx.conn.execute(text(f"DELETE FROM {table} WHERE site_id = :site"), {"site": site_id})  # noqa: S608
            if tx.conn.execute(text(f"SELECT NOT EXISTS (SELECT FROM {table})")).scalar_one():  # noqa: S608
                tx.conn.execute(text(f"DROP TABLE {table}"))
                tx.conn.execute(text("DELETE FROM vector_models WHERE model = :model"), {"model": model})

        self._write(work)

    def stored_vector(self, site_id: str, model: str, asset_id: str) -> Sequence[float] | None:
        def work(conn: Connection) -> Sequence[float] | None:
            table = _tables(conn).get(model)
            if table is None:
                return None
            stmt = text(f"SELECT v::text FROM {table} WHERE site_id = :site AND asset_id = :asset")  # noqa: S608
            found = conn.execute(stmt, {"site": site_id, "asset": asset_id}).scalar_one_or_none()
            return None if found is None else [float(number) for number in found.strip("[]").split(",")]

        return self._read(work)

    def nearest_vectors(
        self, site_id: str, model: str, vector: Sequence[float], *, limit: int, among: Collection[str] | None
    ) -> list[tuple[str, float]]:
        """(asset, cosine), the nearest first."""

        def work(conn: Connection) -> list[tuple[str, float]]:
            known = conn.execute(text("SELECT numbers FROM vector_models WHERE model = :model"), {"model": model})
            if known.scalar_one_or_none() != len(vector):
                return []
            return _nearest(conn, table_of(model), site_id, vector, limit, among)

        return self._read(work)


def _nearest(
    conn: Connection, table: str, site_id: str, vector: Sequence[float], limit: int, among: Collection[str] | None
) -> list[tuple[str, float]]:
    """By HNSW. If a filter leaves few rows, or HNSW gives up before it has enough, all rows that pass are compared."""
    values: dict[str, Any] = {"site": site_id, "q": _literal(vector), "limit": limit}
    passes = "site_id = :site"
    if among is not None:
        values["among"], passes = list(among), f"{passes} AND asset_id = ANY(:among)"
    every = f"(SELECT asset_id, v FROM {table} WHERE {passes} OFFSET 0) every"  # noqa: S608
    if among is not None and len(among) < EXACT_BELOW:
        return _ordered(conn, every, values)
    for name, value in _SCAN.items():
        conn.execute(text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value})
    found = _ordered(conn, f"{table} WHERE {passes}", values)
    return found if len(found) == limit else _ordered(conn, every, values)


def _ordered(conn: Connection, source: str, values: Mapping[str, Any]) -> list[tuple[str, float]]:
    distance = "v <#> CAST(:q AS halfvec)"
    stmt = f"SELECT asset_id, -({distance}) AS cosine FROM {source} ORDER BY {distance} LIMIT :limit"  # noqa: S608
    return [(row.asset_id, float(row.cosine)) for row in conn.execute(text(stmt), values)]


def _tables(conn: Connection) -> dict[str, str]:
    return {model: table_of(model) for model in conn.execute(text("SELECT model FROM vector_models")).scalars()}


def _literal(vector: Sequence[float]) -> str:
    return "[" + ",".join(f"{number:.6g}" for number in vector) + "]"
