"""Backfills. The cursor of a backfill moves in the same transaction that creates its jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select, update

from tagger.backfill import Backfill, BackfillStatus, may_move
from tagger.errors import Conflict, NotFound
from tagger.job import JobRequest
from tagger.ledger.backfill_items import PageNotes, store_items, unmet
from tagger.ledger.claims.pausing import move_some
from tagger.ledger.db import counters
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.intake.accept import accept
from tagger.ledger.intake.described_by_hook import described_by_hook
from tagger.ledger.tables import backfills, endpoints, jobs, word_is
from tagger.ledger.transitions import end_job
from tagger.ledger.undoing import discard_some, lock_backfill
from tagger.ledger.values import Accepted
from tagger.pace import Pace

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
        self,
        backfill_id: str,
        requests: Sequence[JobRequest],
        cursor: str | None,
        exhausted: bool,
        *,
        after: str | None,
        notes: PageNotes | None = None,
    ) -> list[Accepted]:
        """Store the jobs of one page and the new cursor in one transaction. Pass at most some hundred requests.

        `after`: the cursor after which the page was read.

        An asset that this backfill met before is passed over. Errors: NotFound. Conflict if the backfill is not running, or if
        another process moved the cursor in the meantime; then nothing is stored.
        """

        told = notes or PageNotes()

        def work(tx: Tx) -> list[Accepted]:
            row = lock_backfill(tx, backfill_id)
            if row.status != "running":
                raise Conflict(f"Backfill {backfill_id} is {row.status}; it accepts no more jobs.")
            if row.cursor != after or row.exhausted:
                raise Conflict(f"Another process added images to backfill {backfill_id} at the same time.")
            fresh = unmet(tx, backfill_id, requests)
            answers = _accept(tx, fresh)
            store_items(tx, backfill_id, fresh, answers, told.listed)
            values: dict[str, Any] = {"cursor": cursor, "exhausted": exhausted}
            if told.pace is not None:
                values["pace"] = asdict(told.pace)
            tx.conn.execute(update(backfills).where(backfills.c.id == backfill_id).values(values))
            tx.add("backfill", backfill_id, "seen", len(requests) if told.seen is None else told.seen)
            tx.add("backfill", backfill_id, "fed", len(answers))
            tx.add("backfill", backfill_id, "known", sum(not a.created for a in answers))
            return answers

        return self._write(work)

    def set_pace(self, backfill_id: str, pace: Pace) -> None:
        change = update(backfills).where(backfills.c.id == backfill_id).values(pace=asdict(pace))
        self._write(lambda tx: tx.conn.execute(change) and None)

    def asked_pause_ms(self, site_id: str) -> int:
        """Until when the endpoint of the site asked to be left alone (429 or 503 with Retry-After); 0: it did not."""
        stmt = select(endpoints.c.not_before_ms).where(endpoints.c.site_id == site_id)
        return self._read(lambda conn: int(conn.execute(stmt).scalar() or 0))

    def set_backfill_status(self, backfill_id: str, status: BackfillStatus) -> None:
        """Pause, resume, finish or cancel a backfill. Unclaimed jobs wait while it is paused, and are cancelled with it.

        Errors: NotFound, Conflict.
        """

        def work(tx: Tx) -> None:
            row = lock_backfill(tx, backfill_id)
            if row.status != status:
                if not may_move(row.status, status):
                    raise Conflict(f"Backfill {backfill_id} is {row.status}; it cannot become {status}.")
                tx.conn.execute(update(backfills).where(backfills.c.id == backfill_id).values(status=status))

        self._write(work)
        while status == "cancelled" and self._write(lambda tx: _cancel_some(tx, backfill_id) + discard_some(tx, backfill_id)):
            pass
        self.settle_backfill(backfill_id)

    def settle_backfill(self, backfill_id: str) -> None:
        """Move the unclaimed jobs out of their lane if the backfill is paused, and back if it runs. If a process was killed
        during this, the next call finishes the work. Errors: NotFound."""
        while self._write(lambda tx: move_some(tx, backfill_id, lock_backfill(tx, backfill_id).status)):
            pass

    def finish_backfills(self) -> list[str]:
        """Mark a backfill as done if all its images are fed and no job is open. Returns the ids."""
        finished = [b.id for b in self.backfills(status="running") if b.finished]
        # if another process paused or cancelled one in the meantime, that stands
        done = update(backfills).where(backfills.c.id.in_(finished), backfills.c.status == "running").values(status="done")
        return self._write(lambda tx: list(tx.conn.execute(done.returning(backfills.c.id)).scalars())) if finished else []


def _accept(tx: Tx, requests: Sequence[JobRequest]) -> list[Accepted]:
    known = described_by_hook(tx, requests)
    unknown = [request for request in requests if request.asset_id not in known]
    made = iter(accept(tx, unknown) if unknown else ())
    return [known.get(request.asset_id) or next(made) for request in requests]


def _cancel_some(tx: Tx, backfill_id: str) -> int:
    mine = select(jobs).where(jobs.c.backfill_id == backfill_id, word_is(jobs.c.status, "accepted")).limit(CHUNK)
    rows = tx.conn.execute(mine.with_for_update(skip_locked=True)).all()
    for row in rows:
        end_job(tx, row, "cancelled")
    return len(rows)


def _to_backfill(row: Any, kept: dict[tuple[str, str], int]) -> Backfill:
    counts = {word: value for (owner, word), value in kept.items() if owner == row.id}
    return Backfill(**{**row._mapping, "pace": _pace(row.pace)}, counts=counts)


def _pace(stored: Mapping[str, Any]) -> Pace:
    known = Pace.__dataclass_fields__  # another version of tagger may have stored more
    return Pace(**{name: value for name, value in stored.items() if name in known})
