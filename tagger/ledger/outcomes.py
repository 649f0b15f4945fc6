"""What the receiver said of each field: outcomes of annotations, provenance of what we wrote, reviews for what it kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.delivery import AttemptReport, FieldOutcome, field_keys
from tagger.ids import new_id
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import attempts, delivery_bodies, offers, provenance, reviews

KEPT_HASHES = 8  # per field; an editor may restore an older text of ours
PUT = insert(provenance)
PUT = PUT.on_conflict_do_update(
    index_elements=["site_id", "asset_id", "field", "locale"],
    set_={name: PUT.excluded[name] for name in ("hashes", "tags", "not_ours")},
)


class Provenance(NamedTuple):
    """What is known of an asset's fields."""

    hashes: dict[tuple[str, str], tuple[str, ...]]  # of what we wrote per (field, locale), newest first
    tags: tuple[str, ...]  # ids of those that we put on
    refused: tuple[str, ...]  # ids of those that a person typed or took off


def provenance_of(conn: Connection, site_id: str, asset_id: str) -> Provenance:
    stmt = select(provenance).where(provenance.c.site_id == site_id, provenance.c.asset_id == asset_id)
    rows = conn.execute(stmt).all()
    tags, refused = next(((tuple(row.tags), tuple(row.not_ours)) for row in rows if row.field == "tags"), ((), ()))
    hashes = {(row.field, row.locale): tuple(row.hashes) for row in rows if row.hashes or row.field != "tags"}
    return Provenance(hashes, tags, refused)


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
    for field, locale in sorted(field_keys(fields)):
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
    before = provenance_of(tx.conn, row.site_id, row.asset_id)
    for outcome in said:
        ours = outcome.outcome == "written" or (outcome.outcome == "unchanged" and sent_before)
        known = before.hashes.get((outcome.field, outcome.locale), ())
        new = [outcome.value_sha256] if ours and outcome.value_sha256 is not None else []
        if outcome.field == "tags":
            tags, not_ours = _tags(fields["tags"], before, outcome, ours, sent_before)
        elif new:
            tags, not_ours = [], []
        else:
            continue
        kept = [*new, *(h for h in known if h not in new)][:KEPT_HASHES]
        where = {"site_id": row.site_id, "asset_id": row.asset_id, "field": outcome.field, "locale": outcome.locale}
        tx.conn.execute(PUT, {**where, "hashes": kept, "tags": tags, "not_ours": not_ours})


def _tags(
    offer: dict[str, Any], before: Provenance, outcome: FieldOutcome, ours: bool, sent_before: bool
) -> tuple[list[str], list[str]]:
    """Ids of the tags that stand by our hand, and of those that are a person's matter from now on.

    The message asked for what `cms/callback.py` makes of the offer. A receiver that does not say what it did is taken to have
    done all of it: it must itself remember whose the tags are. What does not stand by our hand although that was asked, a
    person had typed or taken off; what was not taken off although that was asked, a person had taken off, or an earlier try.
    """
    if outcome.outcome not in ("written", "unchanged", "kept"):
        return list(before.tags), list(before.refused)
    offered = [tag["id"] for tag in offer["add"]]
    asked = [tag for tag in offered if tag not in (*before.tags, *before.refused)]
    dropped = [tag for tag in before.tags if tag not in offered]
    stand = outcome.added if outcome.added is not None else asked if ours else ()
    added = [tag for tag in asked if tag in stand]
    refused = [tag for tag in asked if outcome.added is not None and tag not in stand]
    if not ours:  # nothing was changed: what stood by our hand, and was not to stay, is asked for again
        return [*before.tags, *added], [*before.refused, *refused]
    if outcome.removed is not None and not sent_before:
        refused += [tag for tag in dropped if tag not in outcome.removed]
    return [*(tag for tag in before.tags if tag in offered), *added], [*before.refused, *refused]
