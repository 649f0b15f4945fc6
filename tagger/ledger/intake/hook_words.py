"""What a hook said of an image whose bytes follow, until the request with the bytes comes.

It lies in the table of idempotency keys, which keeps what one request of a site leaves for a later one. Its key begins with a
line break, which no header can carry, so no Idempotency-Key of a caller is ever the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles on SQLite too

from tagger.cms.base import ImageFollows
from tagger.ledger.db.store import Store
from tagger.ledger.db.writer import Tx
from tagger.ledger.intake.repeated import is_lower
from tagger.ledger.sending.sequences import lock_asset
from tagger.ledger.tables import idempotency

PREFIX = "\nimage follows "
ANSWER = 204  # what the hook was answered with

IS_HOOK_WORDS: ColumnElement[bool] = idempotency.c.key.startswith(PREFIX)
PUT = insert(idempotency)
PUT = PUT.on_conflict_do_update(
    index_elements=["site_id", "key"], set_={name: PUT.excluded[name] for name in ("body_sha256", "status", "body", "at_ms")}
)


class HookWords(Store):
    def keep_hook_words(self, site_id: str, follows: ImageFollows) -> None:
        """The words replace those of an earlier hook of the asset. A hook with a lower revision number is a late copy."""
        body = json.dumps({"revision": follows.revision, "words": follows.words}, ensure_ascii=False).encode()
        row = {"site_id": site_id, "key": _key(follows.asset_id), "body_sha256": hashlib.sha256(body).hexdigest()}

        def work(tx: Tx) -> None:
            lock_asset(tx, site_id, follows.asset_id)
            known = tx.conn.execute(select(idempotency.c.body).where(_is(site_id, follows.asset_id))).scalar_one_or_none()
            if known is not None and is_lower([follows.revision, json.loads(known)["revision"]]):
                return
            tx.conn.execute(PUT, {**row, "status": ANSWER, "body": body, "at_ms": tx.now_ms})

        self._write(work)

    def hook_words(self, site_id: str, asset_id: str, revision: str | None) -> Mapping[str, Any]:
        """What the last hook said of the bytes of this revision. Empty if it spoke of another revision, or if there was none.

        None as a revision, here or in the hook, names no version and fits each.
        """
        stmt = select(idempotency.c.body).where(_is(site_id, asset_id))
        known = self._read(lambda conn: conn.execute(stmt).scalar_one_or_none())
        said: Mapping[str, Any] = {"revision": None, "words": {}} if known is None else json.loads(known)
        other = None not in (revision, said["revision"]) and revision != said["revision"]
        words: Mapping[str, Any] = {} if other else said["words"]
        return words


def forget_hook_words(tx: Tx, site_id: str, asset_id: str) -> None:
    tx.conn.execute(delete(idempotency).where(_is(site_id, asset_id)))


def _is(site_id: str, asset_id: str) -> ColumnElement[bool]:
    return (idempotency.c.site_id == site_id) & (idempotency.c.key == _key(asset_id))


def _key(asset_id: str) -> str:
    return PREFIX + hashlib.sha256(asset_id.encode()).hexdigest()
