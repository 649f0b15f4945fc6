"""Dead letters: failed jobs and deliveries with their cause. A replay starts again with the same ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, delete, exists, func, select

from tagger.delivery import DeadLetter
from tagger.ledger.db import counters
from tagger.ledger.db.store import NothingChanged, Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.intake.repeated import adds_to, request_of
from tagger.ledger.sending.endpoints import send_again
from tagger.ledger.tables import dead_letters, deliveries, job_errors, jobs, word_is
from tagger.ledger.tables.rows import DeliveryRow, JobRow
from tagger.ledger.transitions import count_undelivered, end_job, end_message, move_delivery, move_job, unbury
from tagger.ledger.values import DeadLetterCounts, Page

CHUNK = 200  # letters in one closure, so that heartbeats get through

# What became of one letter: `ended` means that a newer delivery supersedes it, `kept` that nothing changed.
Outcome = Literal["acted", "ended", "kept"]
Act = Callable[[Tx, Any], Outcome]


class DeadLetters(Store):
    def dead_letters(
        self,
        *,
        site_id: str | None = None,
        since_ms: int | None = None,
        code: str | None = None,
        backfill_id: str | None = None,
        ids: Sequence[str] = (),
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[DeadLetter]:
        """Newest first, by the age of the job or delivery. `since_ms`: failed at this time or later. `backfill_id`: its jobs and
        their deliveries. `ids`: only these.
        """
        stmt = select(dead_letters).order_by(dead_letters.c.id.desc()).limit(limit + 1)
        if site_id is not None:
            stmt = stmt.where(dead_letters.c.site_id == site_id)
        if since_ms is not None:
            stmt = stmt.where(dead_letters.c.at_ms >= since_ms)
        if code is not None:
            stmt = stmt.where(dead_letters.c.code == code)
        if backfill_id is not None:
            stmt = stmt.where(dead_letters.c.job_id.in_(select(jobs.c.id).where(jobs.c.backfill_id == backfill_id)))
        if ids:
            stmt = stmt.where(dead_letters.c.id.in_(ids))
        if cursor is not None:
            stmt = stmt.where(dead_letters.c.id < cursor)

        def work(conn: Connection) -> Page[DeadLetter]:
            rows = conn.execute(stmt).all()
            names = DeadLetter.__dataclass_fields__.keys() - {"failures"}
            data = [DeadLetter(failures=row.attempts, **{name: row._mapping[name] for name in names}) for row in rows[:limit]]
            return Page(data=data, next_cursor=data[-1].id if len(rows) > limit else None)

        return self._read(work)

    def dead_letter_counts(self) -> DeadLetterCounts:
        """The number of open dead letters, counted now, and the stored counter of all dead letters so far."""
        cause = (dead_letters.c.kind, dead_letters.c.code)
        by_cause = select(*cause, func.count()).group_by(*cause)

        def work(conn: Connection) -> DeadLetterCounts:
            causes = {(str(kind), str(code)): int(number) for kind, code, number in conn.execute(by_cause)}
            now = Counter[str]()
            for (kind, _), number in causes.items():
                now[kind] += number
            ever = {kind: n for (_, kind), n in counters.read(conn, "buried").items()}
            return DeadLetterCounts(open=now, ever=ever, causes=causes)

        return self._read(work)

    def replay(self, ids: Sequence[str]) -> int:
        """Start dead letters again, with attempts and crashes set to 0. Returns how many.

        A dead letter that a newer job or delivery supersedes is not replayed: a delivery is discarded, a job stays a dead letter.
        If two jobs of one asset are replayed, the newer one supersedes the older one while that is open.
        """
        return self._each(ids, _replay_job, _replay_delivery)

    def discard(self, ids: Sequence[str]) -> int:
        """Remove them from the list for ever. Returns how many."""
        return self._each(ids, lambda _tx, _row: "acted", _discard_delivery)

    def _each(self, ids: Sequence[str], job: Act, delivery: Act) -> int:
        done = 0
        ordered = sorted(set(ids))  # oldest first: of two jobs of one asset the newer one stays
        for start in range(0, len(ordered), CHUNK):
            chunk = ordered[start : start + CHUNK]
            with suppress(NothingChanged):
                done += self._write(lambda tx, chunk=chunk: _all(tx, chunk, job, delivery))  # type: ignore[misc]
        return done


def replay_job(tx: Tx, letter_id: str) -> bool:
    """Start one dead letter of a job again. False: a newer job supersedes it."""
    return _one(tx, letter_id, _replay_job, _replay_delivery) == "acted"


def _all(tx: Tx, ids: Sequence[str], job: Act, delivery: Act) -> int:
    """Returns how many were acted on. Errors: NothingChanged."""
    outcomes = [_one(tx, letter_id, job, delivery) for letter_id in ids]
    if all(outcome == "kept" for outcome in outcomes):
        raise NothingChanged
    return outcomes.count("acted")


def _one(tx: Tx, letter_id: str, job: Act, delivery: Act) -> Outcome:
    letter = tx.conn.execute(select(dead_letters).where(dead_letters.c.id == letter_id).with_for_update()).one_or_none()
    if letter is None:
        return "kept"
    table, act = (jobs, job) if letter.kind == "job" else (deliveries, delivery)
    row = tx.conn.execute(select(table).where(table.c.id == letter_id).with_for_update()).one()
    outcome = act(tx, row)
    if outcome != "kept":
        unbury(tx, letter_id)
    return outcome


def _replay_job(tx: Tx, row: JobRow) -> Outcome:
    """Kept if a newer job of the asset has described, or will describe, the present image."""
    live = word_is(jobs.c.status, "accepted", "running", "described", "done")
    same = (jobs.c.site_id == row.site_id) & (jobs.c.asset_id == row.asset_id) & (jobs.c.profile == row.profile)
    if row.delivers and tx.conn.execute(select(exists().where(same, jobs.c.id > row.id, live, jobs.c.delivers))).scalar():
        return "kept"
    if row.delivers:
        _supersede_older(tx, row, same)
    end_message(tx, row, "superseded")  # its failure message is outdated
    move_job(tx, row, "accepted", attempts=0, crashes=0, solo_crashes=0, due_ms=tx.now_ms, delivery_id=None)
    tx.conn.execute(delete(job_errors).where(job_errors.c.job_id == row.id))
    return "acted"


def _supersede_older(tx: Tx, row: JobRow | DeliveryRow, same: ColumnElement[bool]) -> None:
    """Supersede older open jobs, as at the acceptance of a newer job. Else an older job could write last."""
    still_open = word_is(jobs.c.status, "accepted", "running", "described")
    older = select(jobs).where(same, jobs.c.id < row.id, still_open, jobs.c.delivers).order_by(jobs.c.id)
    for job in tx.conn.execute(older.with_for_update()).all():
        request = request_of(tx, row.id)
        if request is None or not adds_to(tx, job.id, request):
            end_job(tx, job, "superseded")


def _replay_delivery(tx: Tx, row: DeliveryRow) -> Outcome:
    if not send_again(tx, row):
        _discard_delivery(tx, row)
        return "ended"
    count_undelivered(tx, row, -1)
    return "acted"


def _discard_delivery(tx: Tx, row: DeliveryRow) -> Outcome:
    count_undelivered(tx, row, -1)
    move_delivery(tx, row, "discarded")
    return "acted"
