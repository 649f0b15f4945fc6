"""Moves of a job or a delivery that several use cases share. Each keeps the counters and obeys the nouns' legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger import delivery as delivery_rules
from tagger import job as job_rules
from tagger.delivery import DeliveryStatus
from tagger.errors import Conflict, CrashedTooOften, ErrorInfo
from tagger.job import CrashRuling, JobStatus, Lane
from tagger.ledger import counters
from tagger.ledger.tables import dead_letters, deliveries, job_errors, jobs, word_is
from tagger.ledger.writer import Tx

# What becomes of a described job when its delivery ends without a person's fault.
JOB_AFTER_DELIVERY: Mapping[DeliveryStatus, JobStatus] = {"delivered": "done", "superseded": "superseded", "discarded": "done"}


def move_job(tx: Tx, row: Any, new: JobStatus, *, lane: Lane | None = None, **values: Any) -> None:
    """Move the job of `row` (read in this transaction) to `new`. Leaving `running` takes the claim away."""
    if not job_rules.may_move(row.status, new):
        raise Conflict(f"Job {row.id} is {row.status}; it cannot become {new}.")
    if row.status == "running":
        values = {"token": None, "worker_id": None, "deadline_ms": None, **values}
    if new == "accepted":
        values = {"hinted_ms": None, **values}
    to_lane = lane or row.lane
    tx.conn.execute(update(jobs).where(jobs.c.id == row.id).values(status=new, lane=to_lane, updated_ms=tx.now_ms, **values))
    counters.job_moved(
        tx, site_id=row.site_id, backfill_id=row.backfill_id, old=(row.lane, row.status), new=(to_lane, new)
    )  # fmt: skip


def note_error(tx: Tx, job_id: str, error: ErrorInfo, timings_ms: Mapping[str, int]) -> None:
    row = {"job_id": job_id, "error": error.to_dict(), "timings_ms": dict(timings_ms), "at_ms": tx.now_ms}
    tx.conn.execute(insert(job_errors).values(row).on_conflict_do_update(index_elements=["job_id"], set_=row))


def bury_job(tx: Tx, row: Any, error: ErrorInfo, *, attempts: int, **values: Any) -> None:
    """The job ends as a dead letter."""
    move_job(tx, row, "dead", attempts=attempts, **values)
    _bury(tx, row.id, "job", row, row.id, attempts, error.to_dict())


def charge(tx: Tx, row: Any, error: ErrorInfo, timings_ms: Mapping[str, int]) -> JobStatus:
    """Charge one typed failure: another attempt later, or the end."""
    attempts = row.attempts + 1
    note_error(tx, row.id, error, timings_ms)
    due = job_rules.retry_at(attempts, tx.now_ms) if error.retryable else None
    if due is None:
        bury_job(tx, row, error, attempts=attempts)
        return "dead"
    move_job(tx, row, "accepted", attempts=attempts, due_ms=due)
    return "accepted"


def charge_crash(tx: Tx, row: Any) -> CrashRuling:
    """The process of a running job died, perhaps of it: back, to the solo lane, or the end."""
    ruling = job_rules.after_crash(row.lane, row.crashes, row.solo_crashes)
    counts = {"crashes": ruling.crashes, "solo_crashes": ruling.solo_crashes}
    if ruling.status == "dead":
        error = CrashedTooOften(f"The process died {ruling.solo_crashes} times while it held this image alone.").info()
        note_error(tx, row.id, error, {})
        bury_job(tx, row, error, attempts=row.attempts, **counts)
    else:
        move_job(tx, row, "accepted", lane=ruling.lane, **counts)
    return ruling


def bury_delivery(tx: Tx, row: Any, error: Mapping[str, Any], *, attempts: int) -> None:
    """The delivery ends as a dead letter; its job stays described."""
    move_delivery(tx, row, "dead", attempts=attempts)
    _bury(tx, row.id, "delivery", row, row.job_id, attempts, error)
    count_undelivered(tx, row.job_id, 1)


def _bury(tx: Tx, letter_id: str, kind: str, row: Any, job_id: str, attempts: int, error: Mapping[str, Any]) -> None:
    letter = {
        "id": letter_id, "kind": kind, "site_id": row.site_id, "asset_id": row.asset_id, "job_id": job_id, "at_ms": tx.now_ms,
        "attempts": attempts, "code": error["code"], "error": dict(error),
    }  # fmt: skip
    tx.conn.execute(insert(dead_letters).values(letter).on_conflict_do_update(index_elements=["id"], set_=letter))


def count_undelivered(tx: Tx, job_id: str, delta: int) -> None:
    backfill_id = tx.conn.execute(select(jobs.c.backfill_id).where(jobs.c.id == job_id)).scalar()
    if backfill_id is not None:
        tx.add("backfill", backfill_id, "undelivered", delta)


def move_delivery(tx: Tx, row: Any, new: DeliveryStatus, **values: Any) -> None:
    """Move the delivery of `row`; leaving `sending` takes the claim away, and its job follows where it can."""
    if not delivery_rules.may_move(row.status, new):
        raise Conflict(f"Delivery {row.id} is {row.status}; it cannot become {new}.")
    if row.status == "sending":
        values = {"token": None, "worker_id": None, **values}
    tx.conn.execute(update(deliveries).where(deliveries.c.id == row.id).values(status=new, updated_ms=tx.now_ms, **values))
    counters.delivery_moved(tx, row.status, new)
    if new in JOB_AFTER_DELIVERY:
        end_described(tx, row.job_id, JOB_AFTER_DELIVERY[new])


def end_described(tx: Tx, job_id: str, new: JobStatus) -> None:
    stmt = select(jobs).where(jobs.c.id == job_id, word_is(jobs.c.status, "described")).with_for_update()
    row = tx.conn.execute(stmt).one_or_none()
    if row is not None:
        move_job(tx, row, new)


def unbury(tx: Tx, letter_id: str) -> bool:
    return tx.conn.execute(delete(dead_letters).where(dead_letters.c.id == letter_id)).rowcount > 0


def end_job(tx: Tx, row: Any, new: JobStatus) -> None:
    """Supersede or cancel an open job, with what it still wants to write. A write that is under way is left to end."""
    move_job(tx, row, new)
    if row.delivery_id is None:
        return
    stmt = select(deliveries).where(deliveries.c.id == row.delivery_id).with_for_update()
    mine = tx.conn.execute(stmt).one_or_none()
    if mine is None:
        return
    if mine.status in ("pending", "parked"):
        move_delivery(tx, mine, "superseded" if new == "superseded" else "discarded")
    elif mine.status == "dead":
        move_delivery(tx, mine, "discarded")
        unbury(tx, mine.id)
        count_undelivered(tx, row.id, -1)
