"""Stored counters. They are exact with many processes, and no row makes all of them wait."""

from __future__ import annotations

import os
from collections import Counter
from typing import Protocol

from sqlalchemy import Connection, bindparam, func, select, text

from tagger.delivery import DeliveryStatus
from tagger.job import OPEN, JobStatus, Lane
from tagger.ledger.db.prepared import Prepared
from tagger.ledger.tables import counters

Key = tuple[str, str, str]  # scope, owner, word
Deltas = Counter[Key]


class Counting(Protocol):
    """A transaction that adds to stored counters."""

    def add(self, scope: str, owner: str, word: str, delta: int) -> None: ...


SHARDS = 8
SET_ASIDE = "paused"  # lane of a paused backfill's jobs that nobody has claimed; see pausing.py

ADD = Prepared(
    text(
        "INSERT INTO counters (scope, owner, word, shard, value) VALUES (:scope, :owner, :word, :shard, :delta) "
        "ON CONFLICT (scope, owner, word, shard) DO UPDATE SET value = counters.value + excluded.value"
    )
)
_SUM = select(counters.c.owner, counters.c.word, func.sum(counters.c.value)).group_by(counters.c.owner, counters.c.word)
OF_SCOPE = _SUM.where(counters.c.scope == bindparam("of_scope"))
OF_OWNER = OF_SCOPE.where(counters.c.owner == bindparam("of_owner"))


def apply(conn: Connection, deltas: Deltas) -> None:
    """Add the deltas of a whole group at its end. The locks are held for one commit only, and are always taken in the same
    order."""
    shard = os.getpid() % SHARDS
    rows = [
        {"scope": scope, "owner": owner, "word": word, "shard": shard, "delta": delta}
        for (scope, owner, word), delta in sorted(deltas.items())
        if delta
    ]
    if rows:
        ADD.run_many(conn, rows)


def read(conn: Connection, scope: str, owner: str | None = None) -> dict[tuple[str, str], int]:
    """(owner, word) → value."""
    rows = conn.execute(OF_SCOPE if owner is None else OF_OWNER, {"of_scope": scope, "of_owner": owner})
    return {(o, w): int(value) for o, w, value in rows}


def job_moved(
    tx: Counting, *, site_id: str, backfill_id: str | None, old: tuple[Lane, JobStatus] | None, new: tuple[Lane, JobStatus]
) -> None:
    """Keep jobs per lane and status, open jobs per site, jobs per backfill and status, and those that are set aside."""
    tx.add("job", *new, 1)
    was_open = False
    if old is not None:
        tx.add("job", *old, -1)
        was_open = old[1] in OPEN
    if (new[1] in OPEN) != was_open:
        tx.add("site", site_id, "open", -1 if was_open else 1)
    if backfill_id is not None:
        tx.add("backfill", backfill_id, new[1], 1)
        if old is not None:
            tx.add("backfill", backfill_id, old[1], -1)
        tx.add("backfill", backfill_id, "set_aside", _is_set_aside(new) - (old is not None and _is_set_aside(old)))


def _is_set_aside(place: tuple[str, JobStatus]) -> bool:
    return place == (SET_ASIDE, "accepted")


def delivery_moved(tx: Counting, old: DeliveryStatus | None, new: DeliveryStatus, number: int = 1) -> None:
    tx.add("delivery", "", new, number)
    if old is not None:
        tx.add("delivery", "", old, -number)
