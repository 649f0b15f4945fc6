"""A receiver that is ahead: after a restore of the ledger, or with a new ledger, it has taken messages that are unknown here."""

from __future__ import annotations

from typing import cast

from sqlalchemy import ColumnElement, func, select, update

from tagger.errors import SequenceStale
from tagger.ledger.db.writer import Tx
from tagger.ledger.sending.sequences import lock_asset
from tagger.ledger.tables import assets, attempts, deliveries
from tagger.ledger.tables.rows import DeliveryRow

# The attempt was refused as stale, with the number of the receiver.
REFUSED: ColumnElement[bool] = attempts.c.error["code"].as_string() == SequenceStale.code


def jump(tx: Tx, row: DeliveryRow, receiver_sequence: int) -> DeliveryRow | None:
    """Number the messages of the asset anew, so that this one comes after `receiver_sequence`. Returns the changed `row`.

    None: this delivery jumped before, or the number is lower than its own. So a receiver that is always ahead causes one attempt
    more for each message, and no loop. A replay may jump again.

    All messages of the asset move by the same distance. Their order stays, and so do the gaps, by which `covered_by_newer` knows
    whether some were deleted.
    """
    refused = select(func.count()).select_from(attempts).where(attempts.c.delivery_id == row.id, REFUSED)
    refused = refused.where(attempts.c.at_ms >= (row.replayed_ms or 0))
    if receiver_sequence < row.sequence or tx.conn.execute(refused).scalar_one() > 1:  # this attempt is stored already
        return None
    lock_asset(tx, row.site_id, row.asset_id)
    distance = receiver_sequence + 1 - row.sequence
    asset = (assets.c.site_id == row.site_id) & (assets.c.asset_id == row.asset_id)
    tx.conn.execute(update(assets).where(asset).values(sequence=assets.c.sequence + distance))
    # in two steps over negative numbers: a database checks each row as it changes, and the next row may still have that number
    mine = (deliveries.c.site_id == row.site_id) & (deliveries.c.asset_id == row.asset_id)
    for moved in (-(deliveries.c.sequence + distance), -deliveries.c.sequence):
        tx.conn.execute(update(deliveries).where(mine).values(sequence=moved))
    return cast("DeliveryRow", tx.conn.execute(select(deliveries).where(deliveries.c.id == row.id)).one())
