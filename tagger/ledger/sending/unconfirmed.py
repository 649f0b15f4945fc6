"""Endpoints that answer but confirm no delivery (tagger/confirmation.py), and the replay of these deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import ColumnElement, and_, exists, or_, select, update

from tagger import confirmation
from tagger.delivery import AttemptReport, DeliveryClaim
from tagger.errors import AnswerInvalid
from tagger.instants import format_instant
from tagger.ledger.db.store import NothingChanged, Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.operator_events import note
from tagger.ledger.sending.endpoints import send_again
from tagger.ledger.tables import attempts, deliveries, delivery_bodies, endpoints, word_is
from tagger.ledger.tables.rows import EndpointRow

CHUNK = 200  # deliveries in one transaction, so that heartbeats get through
DELIVERED = word_is(deliveries.c.status, "delivered")


def count_answer(tx: Tx, endpoint: EndpointRow, claim: DeliveryClaim, report: AttemptReport) -> None:
    """Count the answer in the row of `endpoint`. If too many in a row confirm nothing, record an operator event."""
    confirmed = confirmation.confirms(claim.fields, report)
    if confirmed is None or (confirmed and not endpoint.unconfirmed):
        return
    row = 0 if confirmed else endpoint.unconfirmed + 1
    since_ms = endpoint.unconfirmed_since_ms if row > 1 else tx.now_ms
    change = update(endpoints).where(endpoints.c.id == endpoint.id)
    tx.conn.execute(change.values(unconfirmed=row, unconfirmed_since_ms=since_ms))
    if confirmation.tells(row):
        note(
            tx, "endpoint.unconfirmed", site=endpoint.site_id, endpoint=endpoint.id, status=report.status, error=report.error,
            answers=row, since=format_instant(since_ms),
        )  # fmt: skip


class Unconfirmed(Store):
    def unconfirmed_endpoints(self) -> dict[str, tuple[int, int]]:
        """Site → (number of answers in a row that confirmed nothing, time of the first), if the number is high enough to
        report."""
        long = endpoints.c.unconfirmed >= confirmation.ROW
        columns = (endpoints.c.site_id, endpoints.c.unconfirmed, endpoints.c.unconfirmed_since_ms)
        stmt = select(*columns).where(long).order_by(endpoints.c.site_id)
        return self._read(lambda conn: {site: (row, since) for site, row, since in conn.execute(stmt)})

    def replay_unconfirmed(self, site_id: str, *, since_ms: int | None = None) -> int:
        """Send deliveries again that ended as delivered although the last answer did not confirm them. Returns how many.

        The webhook-id stays, so a receiver that already wrote one changes nothing. A delivery that a newer one supersedes is not
        sent. `since_ms`: answered at this time or later.
        """
        chosen = [deliveries.c.site_id == site_id, DELIVERED, _suspect(since_ms or 0)]
        done, after = 0, ""
        while True:
            some = select(deliveries.c.id).where(*chosen, deliveries.c.id > after).order_by(deliveries.c.id).limit(CHUNK)
            ids = self._read(lambda conn, some=some: list(conn.execute(some).scalars()))  # type: ignore[misc]
            if not ids:
                return done
            with suppress(NothingChanged):
                done += self._write(lambda tx, ids=ids: _send_all_again(tx, ids))  # type: ignore[misc]
            after = ids[-1]


def _suspect(since_ms: int) -> ColumnElement[bool]:
    """By the last attempt: the asset was missing, or the body of a 2xx was not, or not only, the JSON of the contract."""
    last = and_(attempts.c.delivery_id == deliveries.c.id, attempts.c.number == deliveries.c.tries, attempts.c.at_ms >= since_ms)
    unread = attempts.c.error["code"].as_string() == AnswerInvalid.code
    return exists().where(last, or_(attempts.c.result == "gone", and_(attempts.c.result == "delivered", unread)))


def _send_all_again(tx: Tx, ids: Sequence[str]) -> int:
    """Errors: NothingChanged."""
    sent = sum(_send_again(tx, delivery_id) for delivery_id in ids)
    if not sent:
        raise NothingChanged
    return sent


def _send_again(tx: Tx, delivery_id: str) -> bool:
    stmt = select(deliveries).where(deliveries.c.id == delivery_id, DELIVERED)
    row = tx.conn.execute(stmt.with_for_update()).one_or_none()
    if row is None:
        return False
    outcomes = tx.conn.execute(select(delivery_bodies.c.outcomes).where(delivery_bodies.c.delivery_id == row.id)).scalar_one()
    if any(outcome["outcome"] not in ("unverified", "gone") for outcome in outcomes):
        return False  # a notice stood around an answer that did confirm
    return send_again(tx, row)
