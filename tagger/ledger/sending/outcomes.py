"""Stores the answer of a receiver per field: outcomes of annotations, provenance of written values, reviews of kept values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, func, null, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.delivery import AttemptReport, FieldOutcome, field_keys
from tagger.ids import new_id
from tagger.ledger.db.writer import Tx
from tagger.ledger.sending.jumping import REFUSED
from tagger.ledger.sending.sequences import lock_asset
from tagger.ledger.tables import attempts, delivery_bodies, offers, provenance, reviews
from tagger.ledger.tables.rows import DeliveryRow
from tagger.ledger.tallies import count_outcomes
from tagger.message import REVERTED
from tagger.provenance import Provenance, TagProvenance, hashes_after, tags_after, tags_after_undo, wrote

# Of an outcome: what every version of tagger reads. What it replaced stands in a column of its own.
STORED = frozenset({"field", "locale", "outcome", "reason", "value_sha256", "added", "removed"})
PUT = insert(provenance)
PUT = PUT.on_conflict_do_update(
    index_elements=["site_id", "asset_id", "field", "locale"],
    set_={name: PUT.excluded[name] for name in ("hashes", "tags", "not_ours")},
)


def provenance_of(conn: Connection, site_id: str, asset_id: str) -> Provenance:
    stmt = select(provenance).where(provenance.c.site_id == site_id, provenance.c.asset_id == asset_id)
    rows = conn.execute(stmt).all()
    tags = (TagProvenance(ours=tuple(row.tags), editor_tags=tuple(row.not_ours)) for row in rows if row.field == "tags")
    hashes = {(row.field, row.locale): tuple(row.hashes) for row in rows if row.hashes}
    edited = frozenset((row.field, row.locale) for row in rows if row.edited_ms is not None)
    return Provenance(hashes=hashes, editor_fields=edited, tags=next(tags, TagProvenance()))


def record(tx: Tx, row: DeliveryRow, report: AttemptReport) -> None:
    """Store the outcomes of a delivery that ended well. `row` is the delivery."""
    body = tx.conn.execute(select(delivery_bodies).where(delivery_bodies.c.delivery_id == row.id)).one()
    answered = report.outcomes or tuple(_all_fields(body.fields, "gone" if report.result == "gone" else "unverified"))
    change = update(delivery_bodies).where(delivery_bodies.c.delivery_id == row.id)
    told = [{name: value for name, value in asdict(outcome).items() if name in STORED} for outcome in answered]
    tx.conn.execute(change.values(outcomes=told, previous=_previous(answered) or null(), error=None))
    count_outcomes(tx, row, [told["outcome"] for told in body.outcomes], [outcome.outcome for outcome in answered])
    if body.type == REVERTED:
        _forget_tags(tx, row, body.fields, answered)
        return
    for outcome in answered:
        where = (offers.c.job_id == row.job_id) & (offers.c.field == outcome.field)
        if outcome.locale:
            where &= offers.c.locale == outcome.locale
        tx.conn.execute(update(offers).where(where).values(outcome=outcome.outcome))
        if outcome.outcome == "kept":
            _open_review(tx, row, outcome)
    _remember(tx, row, body.fields, answered)


def _forget_tags(tx: Tx, row: DeliveryRow, fields: dict[str, Any], answered: Iterable[FieldOutcome]) -> None:
    """After an undo: the tags that were taken off are no longer tagger's, and those that were put back are again. A tag that an
    editor had removed is the editor's. Of texts nothing is to be changed: the hashes of what tagger wrote before stay."""
    outcome = next((one for one in answered if one.field == "tags"), None)
    if outcome is None:
        return
    lock_asset(tx, row.site_id, row.asset_id)
    before = provenance_of(tx.conn, row.site_id, row.asset_id)
    add, sent_before = [tag["id"] for tag in fields["tags"]["add"]], _sent_before(tx, row)
    after = tags_after_undo(before.tags, fields["tags"]["remove"], add, outcome, sent_before=sent_before)
    where = {"site_id": row.site_id, "asset_id": row.asset_id, "field": "tags", "locale": ""}
    hashes = list(before.hashes.get(("tags", ""), ()))
    tx.conn.execute(PUT, {**where, "hashes": hashes, "tags": list(after.ours), "not_ours": list(after.editor_tags)})


def _previous(answered: Iterable[FieldOutcome]) -> dict[str, dict[str, str | None]]:
    """Field → locale → the text that was replaced."""
    found: dict[str, dict[str, str | None]] = {}
    for outcome in answered:
        if outcome.previous_said:
            found.setdefault(outcome.field, {})[outcome.locale] = outcome.previous
    return found


def _all_fields(fields: dict[str, Any], word: Any) -> Iterable[FieldOutcome]:
    for field, locale in sorted(field_keys(fields)):
        yield FieldOutcome(field=field, locale=locale, outcome=word)


def _open_review(tx: Tx, row: DeliveryRow, outcome: FieldOutcome) -> None:
    review = {
        "id": new_id("rev", tx.now_ms), "site_id": row.site_id, "asset_id": row.asset_id, "job_id": row.job_id,
        "delivery_id": row.id, "field": outcome.field, "locale": outcome.locale, "reason": outcome.reason, "status": "open",
        "created_ms": tx.now_ms,
    }  # fmt: skip
    tx.conn.execute(reviews.insert(), review)


def _sent_before(tx: Tx, row: DeliveryRow) -> bool:
    """Whether an earlier attempt of this delivery may have arrived."""
    return row.tries - 1 > _unsent(tx, row)


def _unsent(tx: Tx, row: DeliveryRow) -> int:
    """Earlier attempts that wrote nothing: they found the endpoint unreachable, or were refused as stale."""
    vain = select(func.count()).select_from(attempts)
    vain = vain.where(attempts.c.delivery_id == row.id, attempts.c.number < row.tries, (attempts.c.result == "park") | REFUSED)
    return int(tx.conn.execute(vain).scalar_one()) if row.tries > 1 else 0


def _remember(tx: Tx, row: DeliveryRow, fields: dict[str, Any], answered: Iterable[FieldOutcome]) -> None:
    """Store the provenance of every field that was answered."""
    sent_before = _sent_before(tx, row)
    lock_asset(tx, row.site_id, row.asset_id)
    before = provenance_of(tx.conn, row.site_id, row.asset_id)
    for outcome in answered:
        tags = TagProvenance()
        if outcome.field == "tags":
            offered = [tag["id"] for tag in fields["tags"]["add"]]
            tags = tags_after(offered, before.tags, outcome, sent_before=sent_before)
        elif outcome.value_sha256 is None or not wrote(outcome, sent_before=sent_before):
            continue
        hashes = hashes_after(before.hashes.get((outcome.field, outcome.locale), ()), outcome, sent_before=sent_before)
        where = {"site_id": row.site_id, "asset_id": row.asset_id, "field": outcome.field, "locale": outcome.locale}
        tx.conn.execute(PUT, {**where, "hashes": list(hashes), "tags": list(tags.ours), "not_ours": list(tags.editor_tags)})
