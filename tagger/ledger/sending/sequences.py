"""The order of the messages of one asset, and the fields that each covers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.delivery import Part, coverage, undoing
from tagger.ledger.db.prepared import Prepared, columns_of
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import assets, deliveries, delivery_bodies, job_requests
from tagger.ledger.tables.rows import DeliveryRow
from tagger.message import REVERTED

NEXT_SEQUENCE = Prepared(
    insert(assets)
    .on_conflict_do_update(index_elements=["site_id", "asset_id"], set_={"sequence": assets.c.sequence + 1})
    .returning(assets.c.sequence),
    columns_of(assets),
)
LOCK_ASSET = Prepared(
    insert(assets).on_conflict_do_update(
        index_elements=["site_id", "asset_id"],
        set_={"sequence": assets.c.sequence},  # DO NOTHING would lock nothing
    ),
    columns_of(assets),
)
BODIES = (
    select(delivery_bodies.c.fields, delivery_bodies.c.type, job_requests.c.body)
    .join(deliveries, deliveries.c.id == delivery_bodies.c.delivery_id)
    .join(job_requests, job_requests.c.job_id == deliveries.c.job_id)
)


def next_sequence(tx: Tx, site_id: str, asset_id: str) -> int:
    """The sequence number of the asset's next delivery. It locks the row of the asset until the end of the transaction."""
    first = {"site_id": site_id, "asset_id": asset_id, "sequence": 1}
    row: Any = NEXT_SEQUENCE.one_or_none(tx.conn, first)
    return int(row.sequence)


def lock_asset(tx: Tx, site_id: str, asset_id: str) -> None:
    """Until the end of the transaction no other one changes what is known about the asset: its sequence and its provenance.

    Call it before the provenance is read. Otherwise two transactions read the same tags, and the later one undoes the other.
    """
    LOCK_ASSET.run(tx.conn, {"site_id": site_id, "asset_id": asset_id, "sequence": 0})  # 0: nothing was ever delivered


def asked(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(field, locale) of everything that a stored request asks for. Empty if the request cannot be read."""
    fields, locales = request.get("fields"), request.get("locales")
    return list(product(fields, locales)) if isinstance(fields, list) and isinstance(locales, list) else []


def covered_by(tx: Tx, delivery_id: str) -> frozenset[Part]:
    return _coverage(tx.conn.execute(BODIES.where(deliveries.c.id == delivery_id)).one())


def _coverage(body: Any) -> frozenset[Part]:
    return undoing(body.fields) if body.type == REVERTED else coverage(body.fields, asked(body.body))


def covered_by_newer(tx: Tx, row: DeliveryRow) -> frozenset[Part] | None:
    """The fields that newer deliveries of the asset cover together. None: some of them were deleted, so this is unknown."""
    newest = select(assets.c.sequence).where(assets.c.site_id == row.site_id, assets.c.asset_id == row.asset_id)
    sequence = tx.conn.execute(newest).scalar()
    if sequence is None or sequence <= row.sequence:
        return frozenset()
    of_asset = (deliveries.c.site_id == row.site_id) & (deliveries.c.asset_id == row.asset_id)
    found = tx.conn.execute(BODIES.where(of_asset, deliveries.c.sequence > row.sequence)).all()
    if len(found) != sequence - row.sequence:
        return None
    return frozenset[Part]().union(*map(_coverage, found))
