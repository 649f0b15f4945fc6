"""The work of a deliverer: claim due deliveries, confirm each before the connection, finish with the report of the attempt."""

from __future__ import annotations

import random
import secrets
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, exists, func, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from tagger import circuit as circuit_rules
from tagger.delivery import PARKED_FOR_MS, AttemptReport, DeliveryClaim, DeliveryStatus
from tagger.errors import DeliveryExhausted, NotFound
from tagger.ledger import clock_changes
from tagger.ledger.claims.alive import check_alive
from tagger.ledger.db.prepared import Prepared
from tagger.ledger.db.store import NothingChanged, Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.sending.delivery_claims import cms_of, to_claim
from tagger.ledger.sending.endpoints import change_endpoint, circuit_of, lock_endpoint, overtaken, put_back, settle
from tagger.ledger.sending.finishing import bury, finish, store_attempt
from tagger.ledger.sites import find_endpoint
from tagger.ledger.tables import deliveries, delivery_bodies, endpoints, sites, word_is
from tagger.ledger.tables.rows import EndpointRow
from tagger.ledger.transitions import move_delivery

SENDING = word_is(deliveries.c.status, "sending")
PENDING = word_is(deliveries.c.status, "pending")
PARKED = word_is(deliveries.c.status, "parked")


class Outbox(Store):
    def claim_deliveries(self, *, worker_id: str, limit: int, skip_sites: Collection[str] = ()) -> list[DeliveryClaim]:
        """Claim up to `limit` due deliveries, shared fairly among the endpoints. Their status becomes `sending`.

        `skip_sites`: sites for which this deliverer already holds enough deliveries.

        If the circuit of an endpoint is open, one delivery is claimed as a probe after the pause.
        """
        now_ms = self.now_ms()
        ahead = False
        if not self._read(lambda conn: ANYTHING.any(conn, {"now": now_ms})) and not self._writer.set_back(now_ms):
            ahead = self._read(lambda conn: clock_changes.deliveries_ahead(conn, now_ms))
            if not ahead:
                return []  # an idle deliverer takes no lock

        def work(tx: Tx) -> list[DeliveryClaim]:
            if not check_alive(tx, worker_id):
                return []
            if ahead:
                clock_changes.mend(tx.conn, tx.now_ms)
            rows = _probes(tx, worker_id, limit)
            ready = _ready_endpoints(tx, skip_sites)
            for index, endpoint in enumerate(ready):
                share = -(-(limit - len(rows)) // (len(ready) - index))
                if share <= 0:
                    break
                rows += [(row, endpoint) for row in _take(tx, worker_id, _due(tx, endpoint, share))]
            cms = cms_of(tx, {row.site_id for row, _ in rows})
            return [to_claim(tx, row, endpoint, cms[row.site_id]) for row, endpoint in rows]

        try:
            return self._write(work)
        except IntegrityError:  # two processes claimed two deliveries of one asset; the index allowed only one
            return []

    def confirm_delivery(self, claim: DeliveryClaim) -> bool:
        """Whether the delivery may still be sent. Call it before the connection. False: stale, superseded or paused.

        If the claim is valid but the delivery must not be sent, it is returned or superseded here.
        """

        def work(tx: Tx) -> bool:
            row = _held(tx, claim)
            if row is None:
                return False
            endpoint = lock_endpoint(tx, row.site_id)
            probing = endpoint is not None and endpoint.circuit == "half_open" and endpoint.probe_id == row.id
            away = endpoint is None or not endpoint.enabled or (endpoint.circuit != "closed" and not probing)
            stopped = away or _paused(tx, row.site_id)
            if stopped or overtaken(tx, row):
                put_back(tx, row, endpoint, due_ms=tx.now_ms, tries=row.tries - 1)  # no attempt was made
                if endpoint is not None and probing:  # the circuit does not change
                    change_endpoint(tx, endpoint, circuit_rules.unproven(circuit_of(endpoint)))
                return False
            # The deadline of the attempt starts here; the wait for a thread does not count.
            tx.conn.execute(update(deliveries).where(deliveries.c.id == row.id).values(updated_ms=tx.now_ms))
            return True

        return self._write(work)

    def finish_delivery(self, claim: DeliveryClaim, report: AttemptReport, rng: random.Random) -> DeliveryStatus | None:
        """Store the result of the attempt in one transaction. None: the token is stale, and nothing was stored."""

        def work(tx: Tx) -> DeliveryStatus | None:
            row = _held(tx, claim)
            if row is None:
                return None
            store_attempt(tx, row, report)
            if report.error is not None:
                change = update(delivery_bodies).where(delivery_bodies.c.delivery_id == row.id)
                tx.conn.execute(change.values(error=dict(report.error)))
            return finish(tx, row, claim, report, rng)

        return self._write(work)

    def unpark(self, endpoint_id: str) -> int:
        """Close the circuit and enable the endpoint, because an operator says that it works. Returns how many deliveries are sent
        now."""

        def work(tx: Tx) -> int:
            site_id = tx.conn.execute(select(endpoints.c.site_id).where(endpoints.c.id == endpoint_id)).scalar_one_or_none()
            if site_id is None:
                raise NotFound(f"There is no endpoint {endpoint_id!r}.")
            return _unpark(tx, site_id)

        return self._write(work)

    def resume_site(self, site_id: str) -> int:
        """Resume the writes to the site and enable its endpoint. Returns how many deliveries waited. Errors: NotFound."""

        def work(tx: Tx) -> int:
            allowed = update(sites).where(sites.c.id == site_id).values(writes_paused=False)
            if not tx.conn.execute(allowed).rowcount:
                raise NotFound(f"No site {site_id!r}.")
            tx.memo.clear()
            unsent = word_is(deliveries.c.status, "pending", "parked")
            number = select(func.count()).select_from(deliveries).where(deliveries.c.site_id == site_id, unsent)
            _unpark(tx, site_id)
            return int(tx.conn.execute(number).scalar_one())

        return self._write(work)

    def replay_parked(
        self, ids: Sequence[str] = (), *, site_id: str | None = None, since_ms: int | None = None, code: str | None = None
    ) -> dict[str, int]:
        """Unpark each endpoint that has a selected parked delivery. Returns how many deliveries are sent now, per site.

        A delivery is parked because of its endpoint, so all deliveries of that endpoint are unparked too.
        `since_ms`: parked at this time or later. `code`: error code of the last attempt.
        """
        chosen = select(deliveries.c.site_id).where(PARKED).distinct()
        if ids:
            chosen = chosen.where(deliveries.c.id.in_(ids))
        if site_id is not None:
            chosen = chosen.where(deliveries.c.site_id == site_id)
        if since_ms is not None:
            chosen = chosen.where(deliveries.c.updated_ms >= since_ms)
        if code is not None:
            chosen = chosen.join(delivery_bodies, delivery_bodies.c.delivery_id == deliveries.c.id)
            chosen = chosen.where(delivery_bodies.c.error["code"].as_string() == code)

        def work(tx: Tx) -> dict[str, int]:
            parked = sorted(tx.conn.execute(chosen).scalars())
            if not parked:
                raise NothingChanged
            return {site: _unpark(tx, site) for site in parked}

        try:
            return self._write(work)
        except NothingChanged:
            return {}

    def expire_parked(self) -> list[str]:
        """End parked deliveries as dead letters 30 days after they were created or replayed. Returns their ids."""

        def work(tx: Tx) -> list[str]:
            began = func.coalesce(deliveries.c.replayed_ms, deliveries.c.created_ms)
            old = select(deliveries).where(PARKED, began < tx.now_ms - PARKED_FOR_MS).limit(500)
            rows = tx.conn.execute(old.with_for_update(skip_locked=True)).all()
            for row in rows:
                error = DeliveryExhausted("The endpoint accepted nothing for 30 days.").info().to_dict()
                bury(tx, row, find_endpoint(tx.conn, row.site_id), error, failures=row.attempts, status=None)
            return [row.id for row in rows]

        return self._write(work)


def _unpark(tx: Tx, site_id: str) -> int:
    row = lock_endpoint(tx, site_id)
    if row is None:  # no endpoint is registered yet; its deliveries are sent after the registration
        return 0
    parked = select(func.count()).select_from(deliveries).where(deliveries.c.site_id == site_id, PARKED)
    number = int(tx.conn.execute(parked).scalar_one())
    change_endpoint(tx, row, circuit_rules.Circuit(), enabled=True, not_before_ms=0)
    return number


def _held(tx: Tx, claim: DeliveryClaim) -> Any:
    stmt = select(deliveries).where(deliveries.c.id == claim.delivery_id, deliveries.c.token == claim.token, SENDING)
    return tx.conn.execute(stmt.with_for_update()).one_or_none()


def _paused(tx: Tx, site_id: str) -> bool:
    return bool(tx.conn.execute(select(sites.c.writes_paused).where(sites.c.id == site_id)).scalar())


def _not_paused() -> Any:
    return ~exists().where(sites.c.id == endpoints.c.site_id, sites.c.writes_paused == true())


_NOW: Any = bindparam("now", type_=BigInteger)


def _rested(moment: ColumnElement[int]) -> ColumnElement[bool]:
    return clock_changes.due_by(moment, _NOW, circuit_rules.LONGEST_PAUSE_MS)


UNSETTLED = endpoints.c.unsettled == true()  # a change of the endpoint left some deliveries to move
RESTED = and_(endpoints.c.enabled == true(), endpoints.c.circuit == "open", _rested(endpoints.c.probe_ms), _not_paused())
READY = and_(
    endpoints.c.enabled == true(),
    endpoints.c.circuit == "closed",
    _rested(endpoints.c.not_before_ms),
    exists().where(deliveries.c.site_id == endpoints.c.site_id, PENDING, deliveries.c.due_ms <= _NOW),
    _not_paused(),
)
ANYTHING = Prepared(select(endpoints.c.id).where(or_(UNSETTLED, RESTED, READY)).limit(1))


def _ready_endpoints(tx: Tx, skip_sites: Collection[str]) -> list[Any]:
    """Endpoints that accept deliveries and have due ones, in random order. Moves deliveries that a change of an endpoint left."""
    left = select(endpoints.c.site_id).where(UNSETTLED).limit(8)
    for site_id in tx.conn.execute(left).scalars().all():
        settle(tx, site_id)
    ready = select(endpoints).where(READY)
    if skip_sites:
        ready = ready.where(endpoints.c.site_id.not_in(skip_sites))
    return list(tx.conn.execute(ready.order_by(func.random()), {"now": tx.now_ms}).all())


def _due(tx: Tx, endpoint: EndpointRow, limit: int) -> Any:
    due = select(deliveries.c.id).where(
        deliveries.c.site_id == endpoint.site_id, PENDING, deliveries.c.due_ms <= tx.now_ms, ~_busy()
    )
    return due.order_by(deliveries.c.due_ms, deliveries.c.id).limit(limit).with_for_update(skip_locked=True, of=deliveries)


def _busy() -> Any:
    """Another delivery of the same asset is being sent; the index would refuse a second one and abort the whole claim. Or an
    older one, for other fields, waits; receivers refuse a delivery after one with a higher sequence."""
    other, older = deliveries.alias(), deliveries.alias()
    sent = exists().where(
        other.c.site_id == deliveries.c.site_id, other.c.asset_id == deliveries.c.asset_id, word_is(other.c.status, "sending")
    )
    waits = exists().where(
        older.c.site_id == deliveries.c.site_id,
        older.c.asset_id == deliveries.c.asset_id,
        older.c.sequence < deliveries.c.sequence,
        word_is(older.c.status, "pending", "parked"),
    )
    return sent | waits


def _probes(tx: Tx, worker_id: str, limit: int) -> list[tuple[Any, Any]]:
    """One parked delivery per endpoint whose pause is over: the one with the fewest attempts."""
    rested = select(endpoints).where(RESTED).order_by(endpoints.c.probe_ms).limit(limit).with_for_update(skip_locked=True)
    found: list[tuple[Any, Any]] = []
    for endpoint in tx.conn.execute(rested, {"now": tx.now_ms}).all():
        row = _least_tried(tx, endpoint.site_id, PARKED)
        row = _least_tried(tx, endpoint.site_id, PENDING) if row is None else row
        if row is None:
            if not _any_waits(tx, endpoint.site_id):  # no delivery can probe: the next delivery tests the endpoint
                change_endpoint(tx, endpoint, circuit_rules.Circuit())
            continue
        if row.status == "parked":
            move_delivery(tx, row, "pending")
        taken = _take(tx, worker_id, select(deliveries.c.id).where(deliveries.c.id == row.id))
        change_endpoint(tx, endpoint, circuit_rules.probing(circuit_of(endpoint), row.id))
        found += [(t, endpoint) for t in taken]
    return found


def _least_tried(tx: Tx, site_id: str, status: ColumnElement[bool]) -> Any:
    mine = select(deliveries).where(deliveries.c.site_id == site_id, status, ~_busy())
    first = mine.order_by(deliveries.c.tries, deliveries.c.id).limit(1)
    return tx.conn.execute(first.with_for_update(skip_locked=True, of=deliveries)).one_or_none()


def _any_waits(tx: Tx, site_id: str) -> bool:
    waits = word_is(deliveries.c.status, "parked", "pending")
    return tx.conn.execute(select(deliveries.c.id).where(deliveries.c.site_id == site_id, waits).limit(1)).first() is not None


def _take(tx: Tx, worker_id: str, ids: Any) -> list[Any]:
    taken = []
    for delivery_id in tx.conn.execute(ids).scalars().all():
        row = tx.conn.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one()
        tries = row.tries + 1
        token = secrets.token_hex(16)
        move_delivery(tx, row, "sending", token=token, worker_id=worker_id, tries=tries)
        taken.append(tx.conn.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one())
    return taken
