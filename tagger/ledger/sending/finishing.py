"""The result of an attempt: for the delivery, for its endpoint, and for the operator."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tagger import circuit as circuit_rules
from tagger.delivery import AttemptReport, DeliveryClaim, DeliveryStatus, wait_ms
from tagger.errors import DeliveryExhausted
from tagger.ids import new_id
from tagger.ledger.clock_changes import elapsed
from tagger.ledger.db.writer import Tx
from tagger.ledger.deletion.erasure import erase_asset
from tagger.ledger.failures.burying import bury_delivery
from tagger.ledger.operator_events import note
from tagger.ledger.sending import outcomes
from tagger.ledger.sending.endpoints import change_endpoint, circuit_of, lock_endpoint, overtaken, put_back
from tagger.ledger.sending.jumping import jump
from tagger.ledger.sending.unconfirmed import count_answer
from tagger.ledger.tables import attempts
from tagger.ledger.tables.rows import DeliveryRow, EndpointRow
from tagger.ledger.transitions import move_delivery


def store_attempt(tx: Tx, row: DeliveryRow, report: AttemptReport) -> None:
    tx.conn.execute(attempts.insert().values(
        id=new_id("atm", tx.now_ms), delivery_id=row.id, number=row.tries, at_ms=tx.now_ms, result=report.result,
        status=report.status, duration_ms=report.duration_ms, error=dict(report.error) if report.error else None,
    ))  # fmt: skip


def finish(tx: Tx, row: DeliveryRow, claim: DeliveryClaim, report: AttemptReport, rng: random.Random) -> DeliveryStatus:
    """Move the delivery of `row`. Update the circuit, unless the endpoint changed during the attempt."""
    endpoint = lock_endpoint(tx, row.site_id)
    asked = endpoint if endpoint is not None and endpoint.url == claim.endpoint.url else None
    if report.receiver_sequence is not None and (ahead := jump(tx, row, report.receiver_sequence)) is not None:
        _learn(tx, row, asked, report, row.attempts)
        return put_back(tx, ahead, lock_endpoint(tx, row.site_id), due_ms=tx.now_ms)
    if report.result in ("delivered", "gone"):
        outcomes.record(tx, row, report)
        move_delivery(tx, row, "delivered")
        _learn(tx, row, asked, report, row.attempts)
        if asked is not None:
            count_answer(tx, asked, claim, report)
        if (
            report.result == "gone" and report.status != 404
        ):  # a wrong path also answers 404, and must not erase the texts of a site
            erase_asset(tx, row.site_id, row.asset_id, deleted=True)
        return "delivered"
    if report.result == "reject":
        error = report.error or DeliveryExhausted().info().to_dict()
        bury(tx, row, endpoint, error, failures=row.attempts + 1, status=report.status)
        _learn(tx, row, asked, report, row.attempts)
        return "dead"
    if report.result == "disable":
        if asked is not None and asked.enabled:
            change_endpoint(tx, asked, enabled=False)
            note(tx, "endpoint.disabled", site=row.site_id, endpoint=asked.id, status=report.status, error=report.error)
        return put_back(tx, row, lock_endpoint(tx, row.site_id), due_ms=tx.now_ms)
    if report.result == "park":
        missed = _learn(tx, row, asked, report, row.attempts)
        wait = round(circuit_rules.RETRY_CLOSED_MS * min(max(missed, 1), circuit_rules.LEAST) * rng.uniform(0.8, 1.2))
        return put_back(tx, row, lock_endpoint(tx, row.site_id), due_ms=tx.now_ms + wait)
    return _retry(tx, row, asked, report, rng)


def bury(
    tx: Tx, row: DeliveryRow, endpoint: EndpointRow | None, error: Mapping[str, Any], *, failures: int, status: int | None,
    last: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """The delivery ends as a dead letter, and the operator is told.

    `last`: the error of the last attempt, if `error` is a summary.
    """
    bury_delivery(tx, row, error, failures=failures)
    note(
        tx, "delivery.exhausted", site=row.site_id, endpoint=None if endpoint is None else endpoint.id, status=status,
        error=last or error, delivery=row.id, job=row.job_id, asset={"id": row.asset_id}, attempts=failures,
    )  # fmt: skip


def _retry(tx: Tx, row: DeliveryRow, asked: EndpointRow | None, report: AttemptReport, rng: random.Random) -> DeliveryStatus:
    """The endpoint answered with an error. A probe counts no attempt: the circuit opens again, and another delivery probes
    next."""
    patience_ms = min(report.retry_after_ms or 0, circuit_rules.LONGEST_PAUSE_MS)
    if asked is not None and asked.circuit == "half_open" and asked.probe_id == row.id:
        change_endpoint(tx, asked, circuit_rules.reopened(circuit_of(asked), tx.now_ms, patience_ms))
        return put_back(tx, row, lock_endpoint(tx, row.site_id), due_ms=tx.now_ms)
    spent = row.attempts + 1
    if asked is not None and patience_ms:
        change_endpoint(tx, asked, not_before_ms=tx.now_ms + patience_ms)
    _learn(tx, row, asked, report, spent)
    wait = wait_ms(spent, rng, report.retry_after_ms)
    endpoint = lock_endpoint(tx, row.site_id)
    if wait is None and not overtaken(tx, row):
        error = DeliveryExhausted(str((report.error or {}).get("detail", ""))).info().to_dict()
        bury(tx, row, endpoint, error, failures=spent, status=report.status, last=report.error)
        return "dead"
    return put_back(tx, row, endpoint, due_ms=tx.now_ms + (wait or 0), attempts=spent)


def _learn(tx: Tx, row: DeliveryRow, asked: EndpointRow | None, report: AttemptReport, spent: int) -> int:
    """Count the attempt in the circuit of the endpoint. When the endpoint begins to fail, record an operator event.

    Returns how many attempts of the last minute found the endpoint unreachable.
    """
    sign = circuit_rules.sign_of(report)
    if asked is None or sign is None:
        return 0
    before = circuit_of(asked)
    after = circuit_rules.tried(before, row.id, sign, tx.now_ms)
    opened = before.state == "closed" and after.state == "open"
    stuck = (
        sign != "good" and spent == circuit_rules.FAILING_AFTER and before.state == "closed" and circuit_rules.mostly_fails(after)
    )
    tells = (opened or stuck) and elapsed(tx.now_ms, asked.told_ms, circuit_rules.TELL_AGAIN_MS)
    if after != before:
        change_endpoint(tx, asked, after, **({"told_ms": tx.now_ms} if tells else {}))
    if tells:
        note(
            tx, "endpoint.failing", site=row.site_id, endpoint=asked.id, status=report.status, error=report.error, parks=opened
        )  # fmt: skip
    return circuit_rules.away(after)
