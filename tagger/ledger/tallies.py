"""Counts what became of the images of a backfill. Each described image counts once: by its verdict, then by the CMS's answer."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, select

from tagger.annotation import Action, Outcome
from tagger.ledger.db.prepared import Prepared
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import jobs
from tagger.ledger.tables.rows import DeliveryRow

BACKFILL_OF = Prepared(select(jobs.c.backfill_id).where(jobs.c.id == bindparam("job")))
FIRST: tuple[Outcome, ...] = ("written", "kept", "unchanged", "unverified", "rejected", "gone")  # what an image counts as


def count_verdict(tx: Tx, backfill_id: str | None, action: Action) -> None:
    if backfill_id is not None:
        tx.add("backfill", backfill_id, action, 1)


def count_outcomes(tx: Tx, row: DeliveryRow, before: Iterable[Outcome], after: Iterable[Outcome]) -> None:
    """`before`: of an earlier answer to the same delivery, which was sent again."""
    backfill_id = row.undo_id
    if backfill_id is None:
        found = BACKFILL_OF.one_or_none(tx.conn, {"job": row.job_id})
        backfill_id = None if found is None else found.backfill_id
    if backfill_id is None:
        return
    for outcomes, delta in ((set(before), -1), (set(after), 1)):
        word = next((outcome for outcome in FIRST if outcome in outcomes), None)
        if word is not None:
            tx.add("backfill", backfill_id, word, delta)
