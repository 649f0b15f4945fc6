"""Checks before every claim whether the worker is alive. One query answers for a whole group transaction."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from tagger.errors import NotFound
from tagger.ledger.db.prepared import Prepared
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import workers

ENDED = Prepared(select(workers.c.ended_ms).where(workers.c.id == bindparam("worker")).with_for_update(read=True))


def check_alive(tx: Tx, worker_id: str) -> bool:
    """The row is read and share-locked once per group. So a worker cannot claim while another process declares it dead.

    Errors: NotFound for a worker that never registered.
    """
    key = ("alive", worker_id)
    if key not in tx.memo:
        row = ENDED.one_or_none(tx.conn, {"worker": worker_id})
        if row is None:
            raise NotFound(f"Worker {worker_id!r} is not registered.")
        tx.memo[key] = row.ended_ms is None
    return bool(tx.memo[key])
