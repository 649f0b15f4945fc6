"""Changes of status that several use cases share. Each updates the counters and checks that the change is legal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select, update

from tagger import delivery as delivery_rules
from tagger import job as job_rules
from tagger.delivery import DeliveryStatus
from tagger.errors import Conflict
from tagger.job import JobStatus, Lane
from tagger.ledger.db import counters
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import dead_letters, deliveries, jobs, word_is
from tagger.ledger.tables.rows import DeliveryRow, JobRow

# The status of a described job after its delivery ended.
JOB_AFTER_DELIVERY: Mapping[DeliveryStatus, JobStatus] = {"delivered": "done", "superseded": "superseded", "discarded": "done"}
UNSENT: frozenset[DeliveryStatus] = frozenset({"pending", "sending", "parked"})


def move_job(tx: Tx, row: JobRow, new: JobStatus, *, lane: Lane | None = None, **values: Any) -> None:
    """Move the job of `row` (read in this transaction) to `new`. If it leaves `running`, its claim ends."""
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


def count_undelivered(tx: Tx, row: DeliveryRow, delta: int) -> None:
    """Count the delivery of `row`, which becomes or is no longer a dead letter, if the job of its backfill is still open.

    A job that failed, was cancelled or was superseded during the delivery has ended, so it is not counted.
    """
    mine = select(jobs.c.backfill_id).where(
        jobs.c.id == row.job_id, jobs.c.delivery_id == row.id, word_is(jobs.c.status, "described")
    )
    backfill_id = tx.conn.execute(mine).scalar()
    if backfill_id is not None:
        tx.add("backfill", backfill_id, "undelivered", delta)


def move_delivery(tx: Tx, row: DeliveryRow, new: DeliveryStatus, **values: Any) -> None:
    """Move the delivery of `row`. If it leaves `sending`, its claim ends. Its job follows if that change is legal."""
    if not delivery_rules.may_move(row.status, new):
        raise Conflict(f"Delivery {row.id} is {row.status}; it cannot become {new}.")
    if row.status == "sending":
        values = {"token": None, "worker_id": None, **values}
    tx.conn.execute(update(deliveries).where(deliveries.c.id == row.id).values(status=new, updated_ms=tx.now_ms, **values))
    counters.delivery_moved(tx, row.status, new)
    if row.undo_id is not None:
        tx.add("backfill", row.undo_id, "reverting", (new in UNSENT) - (row.status in UNSENT))
        tx.add("backfill", row.undo_id, "dead", (new == "dead") - (row.status == "dead"))
    if new in JOB_AFTER_DELIVERY:
        _end_described(tx, row, JOB_AFTER_DELIVERY[new])


def _end_described(tx: Tx, row: DeliveryRow, new: JobStatus) -> None:
    """The job of the delivery of `row`, unless the job started again and waits for another delivery."""
    stmt = select(jobs).where(jobs.c.id == row.job_id, jobs.c.delivery_id == row.id, word_is(jobs.c.status, "described"))
    job = tx.conn.execute(stmt.with_for_update()).one_or_none()
    if job is not None:
        move_job(tx, job, new)


def unbury(tx: Tx, letter_id: str) -> bool:
    return tx.conn.execute(delete(dead_letters).where(dead_letters.c.id == letter_id)).rowcount > 0


def end_job(tx: Tx, row: JobRow, new: JobStatus) -> None:
    """Supersede or cancel an open job and its pending delivery. A delivery that is being sent may finish."""
    move_job(tx, row, new)
    end_message(tx, row, "superseded" if new == "superseded" else "discarded")


def end_message(tx: Tx, row: JobRow, new: DeliveryStatus) -> None:
    """Stop the pending messages of the job of `row`. A message that is being sent may finish."""
    if row.delivery_id is None:
        return
    stmt = select(deliveries).where(deliveries.c.id == row.delivery_id).with_for_update()
    mine = tx.conn.execute(stmt).one_or_none()
    if mine is None:
        return
    if mine.status in ("pending", "parked"):
        move_delivery(tx, mine, new)
    elif mine.status == "dead":
        move_delivery(tx, mine, "discarded")
        unbury(tx, mine.id)
        if row.status == "described" and row.backfill_id is not None:
            tx.add("backfill", row.backfill_id, "undelivered", -1)
