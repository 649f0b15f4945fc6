"""Backfills. The cursor of a backfill moves in the same transaction that creates its jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select, update

from tagger.backfill import Backfill, BackfillStatus, may_move
from tagger.errors import Conflict, NotFound
from tagger.job import JobRequest
from tagger.ledger.claims.pausing import move_some
from tagger.ledger.db import counters
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.intake.accept import accept
from tagger.ledger.tables import backfills, jobs, word_is
from tagger.ledger.transitions import end_job
from tagger.ledger.values import Accepted

CHUNK = 500  # jobs that one closure cancels


class Backfills(Store):
    def start_backfill(self, backfill: Backfill) -> None:
        row = asdict(backfill)
        del row["counts"]
        self._write(lambda tx: tx.conn.execute(backfills.insert().values(row)) and None)

    def backfill(self, backfill_id: str) -> Backfill:
        """Errors: NotFound."""

        def work(conn: Connection) -> Backfill:
            row = conn.execute(select(backfills).where(backfills.c.id == backfill_id)).one_or_none()
            if row is None:
                raise NotFound(f"There is no backfill {backfill_id!r}.")
            return _to_backfill(row, counters.read(conn, "backfill", backfill_id))

        return self._read(work)

    def backfills(self, *, status: BackfillStatus | None = None) -> list[Backfill]:
        """Newest first."""
        stmt = select(backfills).order_by(backfills.c.id.desc())
        if status is not None:
            stmt = stmt.where(backfills.c.status == status)

        def work(conn: Connection) -> list[Backfill]:
            rows = conn.execute(stmt).all()
            kept = counters.read(conn, "backfill") if rows else {}
            return [_to_backfill(row, kept) for row in rows]

        return self._read(work)

    def feed_backfill(
        self, backfill_id: str, requests: Sequence[JobRequest], cursor: str | None, exhausted: bool, *, after: str | None
    ) -> list[Accepted]:
        """Store the jobs of one page and the new cursor in one transaction. Pass at most some hundred requests.

        `after`: the cursor after which the page was read. Errors: NotFound. Conflict if the backfill is not running, or if
        another process moved the cursor in the meantime; then nothing is stored.
        """

        def work(tx: Tx) -> list[Accepted]:
            row = _lock(tx, backfill_id)
            if row.status != "running":
                raise Conflict(f"Backfill {backfill_id} is {row.status}; it accepts no more jobs.")
            if row.cursor != after or row.exhausted:
                raise Conflict(f"Another process added images to backfill {backfill_id} at the same time.")
            answers = accept(tx, requests) if requests else []
            change = update(backfills).where(backfills.c.id == backfill_id)
            tx.conn.execute(change.values(cursor=cursor, exhausted=exhausted))
            tx.add("backfill", backfill_id, "fed", len(answers))
            tx.add("backfill", backfill_id, "known", sum(not a.created for a in answers))
            return answers

        return self._write(work)

    def set_backfill_status(self, backfill_id: str, status: BackfillStatus) -> None:
        """Pause, resume, finish or cancel a backfill. Unclaimed jobs wait while it is paused, and are cancelled with it.

        Errors: NotFound, Conflict.
        """

        def work(tx: Tx) -> None:
            row = _lock(tx, backfill_id)
            if row.status != status:
                if not may_move(row.status, status):
                    raise Conflict(f"Backfill {backfill_id} is {row.status}; it cannot become {status}.")
                tx.conn.execute(update(backfills).where(backfills.c.id == backfill_id).values(status=status))

        self._write(work)
        while status == "cancelled" and self._write(lambda tx: _cancel_some(tx, backfill_id)):
            pass
        self.settle_backfill(backfill_id)

    def settle_backfill(self, backfill_id: str) -> None:
        """Move the unclaimed jobs out of their lane if the backfill is paused, and back if it runs. If a process was killed
        during this, the next call finishes the work. Errors: NotFound."""
        while self._write(lambda tx: move_some(tx, backfill_id, _lock(tx, backfill_id).status)):
            pass

    def finish_backfills(self) -> list[str]:
        """Mark a backfill as done if all its images are fed and no job is open. Returns the ids."""
        finished = [b.id for b in self.backfills(status="running") if b.finished]
        # if another process paused or cancelled one in the meantime, that stands
        done = update(backfills).where(backfills.c.id.in_(finished), backfills.c.status == "running").values(status="done")
        return self._write(lambda tx: list(tx.conn.execute(done.returning(backfills.c.id)).scalars())) if finished else []


def _lock(tx: Tx, backfill_id: str) -> Any:
    row = tx.conn.execute(select(backfills).where(backfills.c.id == backfill_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"There is no backfill {backfill_id!r}.")
    return row


def _cancel_some(tx: Tx, backfill_id: str) -> int:
    mine = select(jobs).where(jobs.c.backfill_id == backfill_id, word_is(jobs.c.status, "accepted")).limit(CHUNK)
    rows = tx.conn.execute(mine.with_for_update(skip_locked=True)).all()
    for row in rows:
        end_job(tx, row, "cancelled")
    return len(rows)


def _to_backfill(row: Any, kept: dict[tuple[str, str], int]) -> Backfill:
    counts = {word: value for (owner, word), value in kept.items() if owner == row.id}
    return Backfill(**row._mapping, counts=counts)
