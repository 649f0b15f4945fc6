"""The stored circuit of an endpoint, and the parking of its deliveries."""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select, update

from tagger import circuit as circuit_rules
from tagger.circuit import Circuit, Slot
from tagger.delivery import DeliveryStatus, contradicts
from tagger.ledger.db import counters
from tagger.ledger.db.writer import Tx
from tagger.ledger.sending.sequences import covered_by, covered_by_newer, next_sequence
from tagger.ledger.tables import deliveries, endpoints, jobs, word_is
from tagger.ledger.tables.rows import DeliveryRow, EndpointRow
from tagger.ledger.transitions import move_delivery

SETTLE = 1_000  # deliveries that are parked or unparked in one transaction


def lock_endpoint(tx: Tx, site_id: str) -> EndpointRow | None:
    return tx.conn.execute(select(endpoints).where(endpoints.c.site_id == site_id).with_for_update()).one_or_none()


def circuit_of(row: EndpointRow) -> Circuit:
    window = tuple(Slot(*slot) for slot in row.window)
    return Circuit(state=row.circuit, window=window, pause_ms=row.pause_ms, probe_ms=row.probe_ms, probe_id=row.probe_id)


def change_endpoint(tx: Tx, row: EndpointRow, circuit: Circuit | None = None, **values: Any) -> None:
    """Store a new circuit or other values. If deliveries may now be sent, or no longer, move some of them at once."""
    if circuit is not None:
        window = [list(slot) for slot in circuit.window]
        state = {"window": window, "pause_ms": circuit.pause_ms, "probe_ms": circuit.probe_ms}
        values |= {"circuit": circuit.state, "probe_id": circuit.probe_id, **state}
    if (values.get("circuit", row.circuit) == "closed") != (row.circuit == "closed") or "enabled" in values:
        values["unsettled"] = True
        tx.memo.clear()
    tx.conn.execute(update(endpoints).where(endpoints.c.id == row.id).values(values))
    if values.get("unsettled"):
        settle(tx, row.site_id)


def settle(tx: Tx, site_id: str, limit: int = SETTLE) -> int:
    """If the endpoint accepts no deliveries, park its pending ones; else unpark its parked ones. Returns how many.

    At most `limit` at once; the rest follows with the next `claim_deliveries`, because the endpoint stays `unsettled`.
    """
    row = lock_endpoint(tx, site_id)
    if row is None:
        return 0
    open_for_all = row.enabled and row.circuit == "closed"
    old: DeliveryStatus = "parked" if open_for_all else "pending"
    new: DeliveryStatus = "pending" if open_for_all else "parked"
    batch = select(deliveries.c.id).where(deliveries.c.site_id == site_id, word_is(deliveries.c.status, old)).limit(limit)
    changes: dict[str, Any] = {"status": new, "updated_ms": tx.now_ms}
    if new == "pending":
        changes["due_ms"] = tx.now_ms
    ids = batch.with_for_update(skip_locked=True).scalar_subquery()
    moved = tx.conn.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(changes)).rowcount
    if moved:
        counters.delivery_moved(tx, old, new, moved)
    if moved < limit:
        tx.conn.execute(update(endpoints).where(endpoints.c.id == row.id).values(unsettled=False))
    return moved


def free_delivery(tx: Tx, row: DeliveryRow) -> None:
    """The deliverer of this `sending` delivery ended. Whether the delivery was written is unknown. No attempt counts."""
    endpoint = lock_endpoint(tx, row.site_id)
    put_back(tx, row, endpoint, due_ms=tx.now_ms)
    if endpoint is not None and endpoint.circuit == "half_open" and endpoint.probe_id == row.id:
        change_endpoint(tx, endpoint, circuit_rules.reopened(circuit_of(endpoint), tx.now_ms))


def put_back(tx: Tx, row: DeliveryRow, endpoint: EndpointRow | None, *, due_ms: int, **values: Any) -> DeliveryStatus:
    """From `sending` to the next waiting state; superseded if the delivery is no longer needed."""
    status: DeliveryStatus
    if overtaken(tx, row):
        status = "superseded"
    elif endpoint is None or not endpoint.enabled or endpoint.circuit != "closed":
        status = "parked"
    else:
        status = "pending"
    move_delivery(tx, row, status, due_ms=due_ms, **values)
    return status


def send_again(tx: Tx, row: DeliveryRow) -> bool:
    """Send an ended delivery once more, with all its attempts. False: a newer delivery covers it, or may cover it."""
    newer = covered_by_newer(tx, row)
    if row.undo_id is None and (overtaken(tx, row) or newer is None or contradicts(covered_by(tx, row.id), newer)):
        return False
    endpoint = lock_endpoint(tx, row.site_id)
    # receivers refuse what comes after a higher sequence
    sequence = next_sequence(tx, row.site_id, row.asset_id) if newer or newer is None else row.sequence
    move_delivery(tx, row, "pending", attempts=0, due_ms=tx.now_ms, replayed_ms=tx.now_ms, sequence=sequence)
    if endpoint is None or not endpoint.enabled or endpoint.circuit != "closed":
        pending = tx.conn.execute(select(deliveries).where(deliveries.c.id == row.id)).one()
        move_delivery(tx, pending, "parked")
    return True


def overtaken(tx: Tx, row: DeliveryRow) -> bool:
    """Whether this message is not needed: newer ones cover it, or its job was cancelled, superseded or started again.
    Never one that undoes: the CMS compares."""
    if row.undo_id is not None:
        return False
    newer = covered_by_newer(tx, row)
    if newer is None or (newer and covered_by(tx, row.id) <= newer):
        return True
    ended = word_is(jobs.c.status, "cancelled", "superseded")
    anew = or_(jobs.c.delivery_id.is_(None), jobs.c.delivery_id != row.id)
    return tx.conn.execute(select(jobs.c.id).where(jobs.c.id == row.job_id, or_(ended, anew))).first() is not None
