"""Stores what search needs of a description, in the transaction that stores the description; and notes what was erased."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.annotation import Annotation
from tagger.asset import Context
from tagger.job import Description
from tagger.ledger.db.prepared import Prepared, columns_of
from tagger.ledger.db.writer import Tx
from tagger.ledger.tables import described_assets, erased_assets, search_terms
from tagger.search.asset_key import asset_key
from tagger.search.terms import terms_of

WHOLE_SITE = ""  # in place of an asset's key

_FOUND = insert(described_assets)
_CHANGED = ("job_id", "changed_ms", "verdict", "kind", "sha256", "look_hash")
_FOUND = _FOUND.on_conflict_do_update(
    index_elements=["site_id", "asset_id"],
    set_={name: _FOUND.excluded[name] for name in _CHANGED},
    where=described_assets.c.job_id <= _FOUND.excluded.job_id,  # ids begin with their time: an older job says nothing new
)
PUT_FOUND = Prepared(_FOUND.returning(described_assets.c.job_id), columns_of(described_assets))
_OF_ASSET = (search_terms.c.site_id == bindparam("site"), search_terms.c.asset_id == bindparam("asset"))
OLD_TERMS = Prepared(delete(search_terms).where(*_OF_ASSET))
PUT_TERM = Prepared(insert(search_terms).on_conflict_do_nothing(), columns_of(search_terms))
_ERASED = insert(erased_assets)
ERASED = _ERASED.on_conflict_do_update(index_elements=["site_id", "asset_key"], set_={"at_ms": _ERASED.excluded.at_ms})


def store_found(
    tx: Tx, asset: tuple[str, str], job_id: str, description: Description, context: Context, *, at_ms: int | None = None
) -> None:
    """A description without annotations answers a question about an image, and is no description of the asset.

    `asset`: ids of the site and of the asset. `at_ms`: when it was described; None: now.
    """
    site_id, asset_id = asset
    if not description.annotations:
        return
    row = {
        "site_id": site_id,
        "asset_id": asset_id,
        "job_id": job_id,
        "first_ms": tx.now_ms if at_ms is None else at_ms,
        "changed_ms": tx.now_ms,
        "verdict": description.verdict.action,
        "kind": _kind(description.annotations),
        "sha256": description.sha256,
        "look_hash": description.look_hash,
    }
    if not PUT_FOUND.any(tx.conn, row):
        return
    OLD_TERMS.run(tx.conn, {"site": site_id, "asset": asset_id})
    terms = [
        {"site_id": site_id, "kind": kind, "term": term, "asset_id": asset_id}
        for kind, term in terms_of(description.annotations, context)
    ]
    if terms:
        PUT_TERM.run_many(tx.conn, terms)


def _kind(annotations: Sequence[Annotation]) -> str | None:
    return next((a.kind for a in annotations if a.kind is not None), None)


def note_asset(tx: Tx, site_id: str, asset_id: str) -> None:
    """An asset was erased. Indexes of vectors outside the ledger read this note and erase theirs."""
    tx.conn.execute(ERASED, {"site_id": site_id, "asset_key": asset_key(site_id, asset_id), "at_ms": tx.now_ms})


def note_site(tx: Tx, site_id: str) -> None:
    """All vectors of the site go from the indexes."""
    tx.conn.execute(ERASED, {"site_id": site_id, "asset_key": WHOLE_SITE, "at_ms": tx.now_ms})
