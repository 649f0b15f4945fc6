"""What the receiver said of each field: outcomes of annotations, provenance of what we wrote, reviews for what it kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.delivery import AttemptReport, FieldOutcome
from tagger.ids import new_id
from tagger.ledger.tables import attempts, delivery_bodies, offers, provenance, reviews
from tagger.ledger.writer import Tx

KEPT_HASHES = 8  # per field; an editor may restore an older text of ours
PUT = insert(provenance)
PUT = PUT.on_conflict_do_update(
    index_elements=["site_id", "asset_id", "field", "locale"], set_={"hashes": PUT.excluded.hashes, "tags": PUT.excluded.tags}
)

Hashes = dict[tuple[str, str], tuple[str, ...]]


def provenance_of(conn: Connection, site_id: str, asset_id: str) -> tuple[Hashes, tuple[str, ...]]:
    """Hashes of what we wrote per (field, locale), newest first, and the ids of the tags that we added."""
    stmt = select(provenance).where(provenance.c.site_id == site_id, provenance.c.asset_id == asset_id)
    rows = conn.execute(stmt).all()
    tags = next((tuple(row.tags) for row in rows if row.field == "tags"), ())
    return {(row.field, row.locale): tuple(row.hashes) for row in rows}, tags


def record(tx: Tx, row: Any, report: AttemptReport) -> None:
    """Store the outcomes of a delivery that ended well. `row` is the delivery."""
    body = tx.conn.execute(select(delivery_bodies).where(delivery_bodies.c.delivery_id == row.id)).one()
    said = report.outcomes or tuple(_all_fields(body.fields, "gone" if report.result == "gone" else "unverified"))
    change = update(delivery_bodies).where(delivery_bodies.c.delivery_id == row.id)
    tx.conn.execute(change.values(outcomes=[asdict(outcome) for outcome in said], error=None))
    for outcome in said:
        where = (offers.c.job_id == row.job_id) & (offers.c.field == outcome.field)
        if outcome.locale:
            where &= offers.c.locale == outcome.locale
        tx.conn.execute(update(offers).where(where).values(outcome=outcome.outcome))
        if outcome.outcome == "kept":
            _open_review(tx, row, outcome)
    _remember(tx, row, body.fields, said)


def _all_fields(fields: dict[str, Any], word: Any) -> Iterable[FieldOutcome]:
    for field, value in fields.items():
        for locale in [""] if field == "tags" else value:
            yield FieldOutcome(field=field, locale=locale, outcome=word)


def _open_review(tx: Tx, row: Any, outcome: FieldOutcome) -> None:
    review = {
        "id": new_id("rev", tx.now_ms), "site_id": row.site_id, "asset_id": row.asset_id, "job_id": row.job_id,
        "delivery_id": row.id, "field": outcome.field, "locale": outcome.locale, "reason": outcome.reason, "status": "open",
        "created_ms": tx.now_ms,
    }  # fmt: skip
    tx.conn.execute(reviews.insert(), review)


def _unsent(tx: Tx, row: Any) -> int:
    """Tries that found the endpoint unreachable: whatever stands there since then, they did not write it."""
    parked = select(func.count()).select_from(attempts)
    parked = parked.where(attempts.c.delivery_id == row.id, attempts.c.result == "park")
    return int(tx.conn.execute(parked).scalar_one()) if row.tries > 1 else 0


def _remember(tx: Tx, row: Any, fields: dict[str, Any], said: Iterable[FieldOutcome]) -> None:
    """Keep the hash of each value that stands there by our hand.

    `unchanged` proves that only when an earlier try of this delivery may have written it (its answer was lost); on a first try
    the same words are somebody else's.
    """
    sent_before = row.tries - 1 > _unsent(tx, row)
    hashes, stood = provenance_of(tx.conn, row.site_id, row.asset_id)
    for outcome in said:
        ours = outcome.outcome == "written" or (outcome.outcome == "unchanged" and sent_before)
        if not ours or (outcome.value_sha256 is None and outcome.field != "tags"):
            continue
        known = hashes.get((outcome.field, outcome.locale), ())
        new = [outcome.value_sha256] if outcome.value_sha256 is not None else []
        kept = [*new, *(h for h in known if h not in new)][:KEPT_HASHES]
        added = _our_tags(fields["tags"], stood, outcome) if outcome.field == "tags" else []
        where = {"site_id": row.site_id, "asset_id": row.asset_id, "field": outcome.field, "locale": outcome.locale}
        tx.conn.execute(PUT, {**where, "hashes": kept, "tags": added})


def _our_tags(offer: dict[str, Any], stood: tuple[str, ...], outcome: FieldOutcome) -> list[str]:
    """Ids of the tags that stand by our hand: of those before, what we offer still; and what was put on now.

    The message took off what we offer no longer (`cms/callback.py`). A receiver that does not say which ones it put on is
    taken to have put on all: it must itself remember whose they were before.
    """
    offered = [tag["id"] for tag in offer["add"]]
    return [tag for tag in offered if tag in stood or outcome.added is None or tag in outcome.added]
