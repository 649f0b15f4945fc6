"""Stored results: idempotency keys and the cache of predictions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.errors import IdempotencyConflict, IdempotencyInFlight
from tagger.ledger.db.prepared import Prepared, columns_of
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import idempotency, prediction_cache
from tagger.ledger.values import IdempotentReply

IN_FLIGHT_MS = 60_000  # after this time the process that began it counts as dead
KEPT_MS = 86_400_000

# Takes the key if it is free, too old, or was left in flight by a process that died. A key that began ahead of the clock counts
# as too old.
BEGIN = text(
    "INSERT INTO idempotency (site_id, key, body_sha256, at_ms) VALUES (:site, :key, :sha, :now) "
    "ON CONFLICT (site_id, key) DO UPDATE SET body_sha256 = excluded.body_sha256, at_ms = excluded.at_ms, status = NULL, "
    "body = NULL WHERE idempotency.at_ms <= :expired OR (idempotency.status IS NULL AND (idempotency.at_ms <= :stale "
    "OR idempotency.at_ms > :ahead) AND idempotency.body_sha256 = excluded.body_sha256) RETURNING key"
)
CACHED = Prepared(select(prediction_cache.c.value).where(prediction_cache.c.key == bindparam("of_key")))
_PUT = insert(prediction_cache)
_PUT = _PUT.on_conflict_do_update(index_elements=["key"], set_={"value": _PUT.excluded.value, "at_ms": _PUT.excluded.at_ms})
PUT = Prepared(_PUT, columns_of(prediction_cache))


class Replies(Store):
    def begin_idempotent(self, site_id: str, key: str, body_sha256: str) -> IdempotentReply | None:
        """None: the caller owns the key and must finish or abandon it. Else the stored answer.

        Errors: IdempotencyConflict for another body, IdempotencyInFlight while the first request still runs.
        """

        def work(tx: Tx) -> IdempotentReply | None:
            times = {"now": tx.now_ms, "expired": tx.now_ms - KEPT_MS, "stale": tx.now_ms - IN_FLIGHT_MS}
            times["ahead"] = tx.now_ms + IN_FLIGHT_MS
            if tx.conn.execute(BEGIN, {"site": site_id, "key": key, "sha": body_sha256, **times}).first() is not None:
                return None
            row = tx.conn.execute(select(idempotency).where(_is(site_id, key))).one()
            if row.body_sha256 != body_sha256:
                raise IdempotencyConflict(f"Idempotency-Key {key!r} was used before, with another body.")
            if row.status is None:
                raise IdempotencyInFlight(f"The request with Idempotency-Key {key!r} is not finished yet.")
            return IdempotentReply(status=row.status, body=bytes(row.body))

        return self._write(work)

    def finish_idempotent(self, site_id: str, key: str, status: int, body: bytes) -> None:
        stmt = update(idempotency).where(_is(site_id, key)).values(status=status, body=body)
        self._write(lambda tx: tx.conn.execute(stmt) and None)

    def abandon_idempotent(self, site_id: str, key: str) -> None:
        """Release the key, because the request failed and a repetition may succeed."""
        stmt = delete(idempotency).where(_is(site_id, key), idempotency.c.status.is_(None))
        self._write(lambda tx: tx.conn.execute(stmt) and None)

    def cached(self, key: str) -> bytes | None:
        """A prediction by its key (at most 128 characters)."""
        row: Any = self._read(lambda conn: CACHED.one_or_none(conn, {"of_key": key}))
        return None if row is None else bytes(row.value)


def keep_prediction(tx: Tx, key: str, value: bytes) -> None:
    PUT.run(tx.conn, {"key": key, "value": value, "at_ms": tx.now_ms})


def _is(site_id: str, key: str) -> ColumnElement[bool]:
    return (idempotency.c.site_id == site_id) & (idempotency.c.key == key)
