"""The outbox of operator events. A row is written together with the change it reports, and deleted after it was reported."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, delete, literal_column, select, update

from tagger.ids import new_id
from tagger.ledger.db.engine import read_clock
from tagger.ledger.db.prepared import Prepared
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import operator_events
from tagger.operator_event import OperatorEvent, OperatorEventType, data_of

DUE = Prepared(select(operator_events.c.id).where(operator_events.c.due_ms <= bindparam("now")).limit(literal_column("1")))


def note(tx: Tx, kind: OperatorEventType, **data: Any) -> None:
    """Write an event in the transaction of the change. So a crash cannot lose only one of the two."""
    event = {"id": new_id("evt", tx.now_ms), "type": kind, "at_ms": tx.now_ms, "data": data_of(kind, **data)}
    tx.conn.execute(operator_events.insert(), {**event, "due_ms": tx.now_ms, "attempts": 0, "told": False})


class OperatorEvents(Store):
    def claim_events(self, *, limit: int, lease_ms: int) -> list[OperatorEvent]:
        """Claim up to `limit` due events; events that are not logged yet come first.

        The caller ends each event with `finish_event`. Else it is due again after the lease.
        """
        if not self._read(self._any_due):  # most of the time there are none, and a read takes no lock
            return []

        def work(tx: Tx) -> list[OperatorEvent]:
            due = select(operator_events).where(operator_events.c.due_ms <= tx.now_ms)
            due = due.order_by(operator_events.c.told, operator_events.c.due_ms, operator_events.c.id).limit(limit)
            rows = tx.conn.execute(due.with_for_update(skip_locked=True)).all()
            mine = operator_events.c.id.in_([row.id for row in rows])
            tx.conn.execute(update(operator_events).where(mine).values(due_ms=tx.now_ms + lease_ms))
            names = OperatorEvent.__dataclass_fields__
            return [OperatorEvent(**{name: row._mapping[name] for name in names}) for row in rows]

        return self._write(work)

    def _any_due(self, conn: Connection) -> bool:
        now = self._clock() if self._clock else read_clock(conn)
        return DUE.any(conn, {"now": now})

    def finish_event(self, event_id: str, *, wait_ms: int | None = None, spent: bool = False) -> None:
        """The event is in the log and in the metrics. Without `wait_ms` it is finished; else its webhook is sent after that time.

        `spent`: an attempt of the webhook failed.
        """
        mine = operator_events.c.id == event_id

        def work(tx: Tx) -> None:
            if wait_ms is None:
                tx.conn.execute(delete(operator_events).where(mine))
                return
            later = {"due_ms": tx.now_ms + wait_ms, "told": True}
            tx.conn.execute(update(operator_events).where(mine).values(attempts=operator_events.c.attempts + spent, **later))

        self._write(work)
