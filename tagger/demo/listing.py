"""The answers of the sample media library to tagger's queries: its assets, page by page, and its abilities."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from tagger.cms.generic.library import MOST
from tagger.demo.media_store import TEXT_FIELDS, MediaStore
from tagger.demo.receiver import MAX_TEXT
from tagger.instants import format_instant, parse_instant

# null: not asked for
PAGE = """
WITH chosen AS (
  SELECT assets.*, coalesce((SELECT at_ms FROM changes WHERE asset = assets.id), created_ms) AS changed_ms FROM assets
  WHERE deleted = 0 AND (:since IS NULL OR changed_ms >= :since)
    AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
    AND (:missing IS NULL OR EXISTS (SELECT 1 FROM json_each(:missing) AS wanted WHERE NOT EXISTS (
          SELECT 1 FROM texts WHERE asset = assets.id AND field = wanted.value AND locale = :locale))))
SELECT *, (SELECT count(*) FROM chosen) AS total FROM chosen WHERE id > :cursor ORDER BY id LIMIT :limit
"""
TYPES = ("asset.described", "asset.failed", "asset.reverted", "library.page", "site.probe")


class Query(BaseModel):
    cursor: str = ""
    limit: Annotated[int, Field(ge=1, le=MOST)] = 50
    since: str | None = None
    ids: Annotated[list[str], Field(max_length=MOST)] | None = None
    missing: list[str] = []


def capabilities(locales: Sequence[str]) -> dict[str, Any]:
    return {
        "cms": "Sample media library", "cms_version": "1", "fields": [*TEXT_FIELDS, "tags"], "locales": list(locales),
        "longest": dict.fromkeys(TEXT_FIELDS, MAX_TEXT), "strict": True, "types": list(TYPES),
    }  # fmt: skip


def page(store: MediaStore, public_url: str, query: Query) -> dict[str, Any]:
    """Sorted by the id, which never changes. One row more than the limit shows that there is another page."""
    wanted = {
        "since": None if query.since is None else parse_instant(query.since),
        "ids": None if query.ids is None else json.dumps(query.ids),
        "missing": json.dumps(query.missing) if query.missing else None,
        "locale": store.locales[0],
    }
    with store.change() as db:
        rows = db.execute(PAGE, {**wanted, "cursor": query.cursor, "limit": query.limit + 1}).fetchall()
        data = [_listed(db, row, public_url) for row in rows[: query.limit]]
    total = rows[0]["total"] if rows else None
    return {"data": data, "next_cursor": data[-1]["id"] if len(rows) > query.limit else None, "total": total}


def _listed(db: sqlite3.Connection, row: sqlite3.Row, public_url: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for text in db.execute("SELECT * FROM texts WHERE asset = ?", (row["id"],)):
        fields.setdefault(text["field"], {})[text["locale"]] = {"value": text["value"], "writer": text["writer"]}
    labels = db.execute("SELECT label FROM tags WHERE asset = ? AND present = 1 ORDER BY label", (row["id"],))
    return {
        "id": row["id"],
        "revision": str(row["revision"]),
        "modified_at": format_instant(row["changed_ms"]),
        "image": {"url": f"{public_url}/media/{row['id']}/{row['revision']}"},
        "context": {"role": row["role"], "filename": row["filename"]},
        "fields": {**fields, "tags": {"labels": [label["label"] for label in labels]}},
    }
