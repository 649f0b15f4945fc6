"""Makes the messages that undo a backfill: for each text that it wrote, the text that was there before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from tagger.delivery import Delivery
from tagger.errors import Conflict, NotFound
from tagger.ids import new_id
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.offered_tags import offered_tags
from tagger.ledger.sending.deliveries import deliveries_of
from tagger.ledger.sending.messages import Message, endpoint_of, store_message
from tagger.ledger.tables import backfills, deliveries, jobs, word_is
from tagger.ledger.transitions import UNSENT, move_delivery
from tagger.message import DESCRIBED, REVERTED

CHUNK = 200


class Undoing(Store):
    def feed_undo(self, undo_id: str, *, limit: int = CHUNK) -> int:
        """Store the next messages of this backfill of kind `undo`. Returns how many jobs of the undone one it went through.

        Errors: NotFound. Conflict if the undo does not run, or if the site has no endpoint.
        """

        def work(tx: Tx) -> int:
            row = lock_backfill(tx, undo_id)
            if row.status != "running" or row.exhausted:
                raise Conflict(f"Backfill {undo_id} is {row.status}; it accepts no more jobs.")
            if endpoint_of(tx, row.site_id) is None:
                raise Conflict(f"{row.site_id} has no endpoint.")
            listed = _next_jobs(tx.conn, row.spec["of"], row.cursor, limit)
            sent = deliveries_of(tx.conn, listed)
            unsure = _first_unsure(tx.conn, listed, sent)
            ids = [job for job in listed if unsure is None or job < unsure]
            done = 0
            for delivery in sent:
                if delivery.job_id in ids and (fields := reverting(tx.conn, delivery)):
                    _store(tx, undo_id, delivery, fields)
                    done += 1
            values = {"cursor": ids[-1] if ids else row.cursor, "exhausted": unsure is None and len(listed) < limit}
            tx.conn.execute(update(backfills).where(backfills.c.id == undo_id).values(values))
            tx.add("backfill", undo_id, "seen", len(ids))
            tx.add("backfill", undo_id, "fed", done)
            return len(ids)

        return self._write(work)

    def reverting(self, delivery: Delivery) -> dict[str, Any]:
        """The fields of the message that undoes this delivery; empty: it wrote nothing that can be put back."""
        return self._read(lambda conn: reverting(conn, delivery))


def lock_backfill(tx: Tx, backfill_id: str) -> Any:
    """Errors: NotFound."""
    row = tx.conn.execute(select(backfills).where(backfills.c.id == backfill_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"There is no backfill {backfill_id!r}.")
    return row


def reverting(conn: Connection, delivery: Delivery) -> dict[str, Any]:
    if delivery.type != DESCRIBED or delivery.status != "delivered":
        return {}
    fields: dict[str, Any] = {}
    for outcome in delivery.outcomes:
        before = delivery.previous.get(outcome.field, {})
        if outcome.field == "tags":
            add = _labelled(conn, delivery, outcome.removed or ())
            remove = sorted(outcome.added or ())
            if add or remove:
                fields["tags"] = {"add": add, "remove": remove}
        elif outcome.locale in before and outcome.value_sha256 is not None:
            ours = {"value": before[outcome.locale], "if_current": {"in": [outcome.value_sha256]}}
            fields.setdefault(outcome.field, {})[outcome.locale] = ours
    return fields


def discard_some(tx: Tx, undo_id: str) -> int:
    """Discard messages of a cancelled undo that were not sent yet. Returns how many; 0: none is left."""
    mine = select(deliveries).where(deliveries.c.undo_id == undo_id, word_is(deliveries.c.status, "pending", "parked"))
    rows = tx.conn.execute(mine.limit(CHUNK).with_for_update(skip_locked=True)).all()
    for row in rows:
        move_delivery(tx, row, "discarded")
    return len(rows)


def _first_unsure(conn: Connection, listed: Sequence[str], sent: Sequence[Delivery]) -> str | None:
    """The first job of which something may still be written. It is looked at again later, and so are those behind it."""
    undescribed = jobs.c.id.in_(listed) & word_is(jobs.c.status, "accepted", "running")
    waiting = [one.job_id for one in sent if one.type == DESCRIBED and one.status in UNSENT]
    return min([*waiting, *conn.execute(select(jobs.c.id).where(undescribed)).scalars()], default=None)


def _next_jobs(conn: Connection, backfill_id: str, cursor: str | None, limit: int) -> list[str]:
    stmt = select(jobs.c.id).where(jobs.c.backfill_id == backfill_id, jobs.c.id > (cursor or ""))
    return list(conn.execute(stmt.order_by(jobs.c.id).limit(limit)).scalars())


def _store(tx: Tx, undo_id: str, delivery: Delivery, fields: Mapping[str, Any]) -> None:
    message = Message(
        delivery_id=new_id("dlv", tx.now_ms), job_id=delivery.job_id, site_id=delivery.site_id, asset_id=delivery.asset_id,
        type=REVERTED, fields=fields, notice={}, metadata={}, of_backfill=True, undo_id=undo_id,
    )  # fmt: skip
    store_message(tx, message)


def _labelled(conn: Connection, delivery: Delivery, ids: Collection[str]) -> list[dict[str, str]]:
    """The tags with these ids, with the labels under which tagger offered them. A tag without a known label has its id."""
    if not ids:
        return []
    labels = dict(offered_tags(conn, delivery.site_id, delivery.asset_id))
    return [{"id": tag, "label": labels.get(tag, tag)} for tag in sorted(ids)]
