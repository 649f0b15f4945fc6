"""Failures of jobs and deliveries. Each failure is counted; after the last one a dead letter stores the cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger import job as job_rules
from tagger.errors import CrashedTooOften, ErrorInfo, NotChecked
from tagger.job import CrashRuling, JobStatus
from tagger.ledger.db.writer import Tx
from tagger.ledger.sending.messages import store_failure
from tagger.ledger.tables import dead_letters, job_errors
from tagger.ledger.tables.rows import DeliveryRow, JobRow
from tagger.ledger.transitions import count_undelivered, move_delivery, move_job


def note_error(tx: Tx, job_id: str, error: ErrorInfo, timings_ms: Mapping[str, int]) -> None:
    row = {"job_id": job_id, "error": error.to_dict(), "timings_ms": dict(timings_ms), "at_ms": tx.now_ms}
    tx.conn.execute(insert(job_errors).values(row).on_conflict_do_update(index_elements=["job_id"], set_=row))


def bury_job(tx: Tx, row: JobRow, error: ErrorInfo, *, failures: int, **values: Any) -> None:
    """The job ends as a dead letter, and its CMS is told."""
    told = store_failure(tx, row, error)
    move_job(tx, row, "dead", attempts=failures, delivery_id=told, **values)
    _bury(tx, row.id, "job", row, row.id, failures, error.to_dict())


def charge(tx: Tx, row: JobRow, error: ErrorInfo, timings_ms: Mapping[str, int], *, wait_ms: int = 0) -> JobStatus:
    """Count one typed failure: schedule another attempt, in `wait_ms` or later, or end the job. A check without a model leaves no
    dead letter.
    """
    failures = row.attempts + 1
    note_error(tx, row.id, error, timings_ms)
    if error.code == NotChecked.code:
        move_job(tx, row, "cancelled", attempts=failures)  # the caller reads the error; a replay could not help
        return "cancelled"
    due = job_rules.retry_at(failures, tx.now_ms, wait_ms) if error.retryable else None
    if due is None:
        bury_job(tx, row, error, failures=failures)
        return "dead"
    move_job(tx, row, "accepted", attempts=failures, due_ms=due)
    return "accepted"


def charge_crash(tx: Tx, row: JobRow) -> CrashRuling:
    """The process of a running job died, perhaps because of it. The job returns to its lane, moves to the solo lane, or ends."""
    ruling = job_rules.after_crash(row.lane, row.crashes, row.solo_crashes)
    counts = {"crashes": ruling.crashes, "solo_crashes": ruling.solo_crashes}
    if ruling.status == "dead":
        error = CrashedTooOften(f"The process died {ruling.solo_crashes} times while it processed this image alone.").info()
        note_error(tx, row.id, error, {})
        bury_job(tx, row, error, failures=row.attempts, **counts)
    else:
        move_job(tx, row, "accepted", lane=ruling.lane, **counts)
    return ruling


def bury_delivery(tx: Tx, row: DeliveryRow, error: Mapping[str, Any], *, failures: int) -> None:
    """The delivery ends as a dead letter. Its job does not change, and nothing else is sent."""
    move_delivery(tx, row, "dead", attempts=failures)
    _bury(tx, row.id, "delivery", row, row.job_id, failures, error)
    count_undelivered(tx, row, 1)


def _bury(
    tx: Tx, letter_id: str, kind: str, row: JobRow | DeliveryRow, job_id: str, failures: int, error: Mapping[str, Any]
) -> None:
    letter = {
        "id": letter_id, "kind": kind, "site_id": row.site_id, "asset_id": row.asset_id, "job_id": job_id, "at_ms": tx.now_ms,
        "attempts": failures, "code": error["code"], "error": dict(error),
    }  # fmt: skip
    tx.conn.execute(insert(dead_letters).values(letter).on_conflict_do_update(index_elements=["id"], set_=letter))
    tx.add("buried", "", kind, 1)
