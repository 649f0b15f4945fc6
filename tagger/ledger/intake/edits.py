"""What a person changed in the CMS: the fields and tags that are the editors' from then on."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.catalog.labels import folded
from tagger.cms.base import Edit
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.offered_tags import offered_tags
from tagger.ledger.sending.outcomes import provenance_of
from tagger.ledger.sending.sequences import lock_asset
from tagger.ledger.tables import provenance
from tagger.provenance import Provenance, tags_after_edit

PUT_TEXT = insert(provenance)
PUT_TEXT = PUT_TEXT.on_conflict_do_update(
    index_elements=["site_id", "asset_id", "field", "locale"],
    set_={name: PUT_TEXT.excluded[name] for name in ("hashes", "edited_ms")},
)
PUT_TAGS = insert(provenance)
PUT_TAGS = PUT_TAGS.on_conflict_do_update(
    index_elements=["site_id", "asset_id", "field", "locale"],
    set_={name: PUT_TAGS.excluded[name] for name in ("tags", "not_ours")},
)


class Edits(Store):
    def provenance(self, site_id: str, asset_id: str) -> Provenance:
        """What is known about who wrote the fields of the asset."""
        return self._read(lambda conn: provenance_of(conn, site_id, asset_id))

    def record_edit(self, site_id: str, edit: Edit) -> None:
        """The same edit twice changes nothing. An edit of an asset that is not known yet counts for its first description."""

        def work(tx: Tx) -> None:
            lock_asset(tx, site_id, edit.asset_id)
            empty = {"site_id": site_id, "asset_id": edit.asset_id, "hashes": [], "tags": [], "not_ours": []}
            for text in edit.texts:
                tx.conn.execute(PUT_TEXT, {**empty, "field": text.field, "locale": text.locale, "edited_ms": tx.now_ms})
            labels = {folded(label) for label in (*edit.tags_added, *edit.tags_removed)}
            if labels:
                known = provenance_of(tx.conn, site_id, edit.asset_id)
                after = tags_after_edit(known.tags, _ids(tx, site_id, edit.asset_id, labels))
                hashes = list(known.hashes.get(("tags", ""), ()))
                row = {"field": "tags", "locale": "", "hashes": hashes}
                tags = {"tags": list(after.ours), "not_ours": list(after.editor_tags)}
                tx.conn.execute(PUT_TAGS, {**empty, **row, **tags})

        self._write(work)


def _ids(tx: Tx, site_id: str, asset_id: str, labels: Collection[str]) -> tuple[str, ...]:
    """The terms that tagger offered for the asset under one of these labels. A label that tagger never offered needs no id:
    when tagger offers its term, the CMS answers that the tag is the editor's."""
    offered = offered_tags(tx.conn, site_id, asset_id)
    return tuple(dict.fromkeys(tag for tag, label in offered if folded(label) in labels))
