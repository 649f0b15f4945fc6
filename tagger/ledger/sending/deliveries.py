"""Reading deliveries, attempts and reviews."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from tagger.delivery import Attempt, Delivery, DeliveryStatus, FieldOutcome
from tagger.errors import NotFound
from tagger.ledger.db.store import Store
from tagger.ledger.tables import attempts, deliveries, delivery_bodies, reviews, word_is
from tagger.ledger.values import Page, Review


class Deliveries(Store):
    def delivery(self, delivery_id: str) -> Delivery:
        """Errors: NotFound."""
        stmt = _whole().where(deliveries.c.id == delivery_id)
        row = self._read(lambda conn: conn.execute(stmt).one_or_none())
        if row is None:
            raise NotFound(f"There is no delivery {delivery_id!r}.")
        return _to_delivery(row)

    def deliveries(
        self, *, site_id: str | None = None, status: DeliveryStatus | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Delivery]:
        """Newest first."""
        stmt = _whole().order_by(deliveries.c.id.desc()).limit(limit + 1)
        if site_id is not None:
            stmt = stmt.where(deliveries.c.site_id == site_id)
        if status is not None:
            stmt = stmt.where(word_is(deliveries.c.status, status))
        if cursor is not None:
            stmt = stmt.where(deliveries.c.id < cursor)

        def work(conn: Connection) -> Page[Delivery]:
            rows = conn.execute(stmt).all()
            data = [_to_delivery(row) for row in rows[:limit]]
            return Page(data=data, next_cursor=data[-1].id if len(rows) > limit else None)

        return self._read(work)

    def attempts(self, delivery_id: str) -> list[Attempt]:
        """In the order of the attempts."""
        stmt = select(attempts).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.number)
        return self._read(lambda conn: [Attempt(**row._mapping) for row in conn.execute(stmt)])

    def reviews(self, *, site_id: str | None = None, cursor: str | None = None, limit: int = 50) -> Page[Review]:
        """The open reviews, oldest first."""
        stmt = select(reviews).where(word_is(reviews.c.status, "open")).order_by(reviews.c.id).limit(limit + 1)
        if site_id is not None:
            stmt = stmt.where(reviews.c.site_id == site_id)
        if cursor is not None:
            stmt = stmt.where(reviews.c.id > cursor)

        def work(conn: Connection) -> Page[Review]:
            rows = conn.execute(stmt).all()
            names = Review.__dataclass_fields__
            data = [Review(**{name: row._mapping[name] for name in names}) for row in rows[:limit]]
            return Page(data=data, next_cursor=data[-1].id if len(rows) > limit else None)

        return self._read(work)


def deliveries_of(conn: Connection, job_ids: Sequence[str]) -> list[Delivery]:
    """All messages about these jobs, oldest first."""
    stmt = _whole().where(deliveries.c.job_id.in_(job_ids)).order_by(deliveries.c.id)
    return [_to_delivery(row) for row in conn.execute(stmt)] if job_ids else []


def _whole() -> Select[Any]:
    bodies = delivery_bodies.c
    join = deliveries.join(delivery_bodies, bodies.delivery_id == deliveries.c.id)
    return select(
        deliveries, bodies.fields, bodies.outcomes, bodies.error, bodies.type, bodies.notice, bodies.previous
    ).select_from(join)


def _to_delivery(row: Any) -> Delivery:
    return Delivery(
        id=row.id, job_id=row.job_id, site_id=row.site_id, asset_id=row.asset_id, status=row.status, sequence=row.sequence,
        failures=row.attempts, attempts=row.tries, created_ms=row.created_ms,
        next_attempt_ms=max(row.due_ms, row.created_ms) if row.status == "pending" else None, fields=row.fields,
        outcomes=tuple(FieldOutcome(**outcome) for outcome in row.outcomes), error=row.error, type=row.type, notice=row.notice,
        previous=row.previous or {}, undo_id=row.undo_id,
    )  # fmt: skip
