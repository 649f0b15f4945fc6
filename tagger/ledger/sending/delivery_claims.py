"""What a deliverer is given of a delivery that it claimed: the message, and where it goes."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from tagger.delivery import DeliveryClaim
from tagger.ledger.db.writer import Tx
from tagger.ledger.sending import outcomes
from tagger.ledger.sending.messages import notice_of
from tagger.ledger.sites import to_endpoint, to_site
from tagger.ledger.tables import delivery_bodies, sites
from tagger.ledger.tables.rows import EndpointRow, SendingRow


def cms_of(tx: Tx, site_ids: Collection[str]) -> dict[str, str]:
    stmt = select(sites).where(sites.c.id.in_(site_ids))
    return {row.id: to_site(row).cms for row in tx.conn.execute(stmt)} if site_ids else {}


def to_claim(tx: Tx, row: SendingRow, endpoint: EndpointRow, cms: str) -> DeliveryClaim:
    body = tx.conn.execute(select(delivery_bodies).where(delivery_bodies.c.delivery_id == row.id)).one()
    provenance = outcomes.provenance_of(tx.conn, row.site_id, row.asset_id)
    return DeliveryClaim(
        delivery_id=row.id, token=row.token, job_id=row.job_id, site_id=row.site_id, asset_id=row.asset_id,
        sequence=row.sequence, failures=row.attempts, attempts=row.tries, described_ms=row.created_ms,
        fields=body.fields, provenance=provenance.hashes,
        provenance_tags=provenance.tags.ours, editor_tags=provenance.tags.editor_tags, editor_fields=provenance.editor_fields,
        metadata=body.metadata, endpoint=to_endpoint(endpoint), cms=cms, type=body.type,
        notice=notice_of(tx.conn, row.job_id, body), trace=body.trace,
    )  # fmt: skip
