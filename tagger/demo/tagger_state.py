"""The last message of tagger about an image, and the state that an editor sees: one of four, or waiting."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Literal

State = Literal["waiting", "written", "for review", "nothing to say", "failed", "kept"]

SCHEMA = """
-- The last message about the present image of an asset, without the written values. '{}': none arrived for this image yet.
CREATE TABLE IF NOT EXISTS told (asset TEXT PRIMARY KEY, body TEXT NOT NULL);
"""


def remember(db: sqlite3.Connection, asset_id: str, body: Mapping[str, Any]) -> None:
    db.execute("INSERT OR REPLACE INTO told (asset, body) VALUES (?, ?)", (asset_id, json.dumps(body)))


def shown(
    db: sqlite3.Connection, asset_id: str, fields: Mapping[str, Mapping[str, Any]], tags: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """State, reasons, error, and the proposals for fields that no person has set since."""
    row = db.execute("SELECT body FROM told WHERE asset = ?", (asset_id,)).fetchone()
    body = {} if row is None else json.loads(row["body"])
    proposals = [
        {"field": field, "locale": locale, **offer}
        for field, offers in body.get("proposals", {}).items()
        for locale, offer in offers.items()
        if fields.get(field, {}).get(locale, {}).get("writer") != "person" and isinstance(offer["value"], str)
    ]
    ours = any(t["writer"] == "tagger" for texts in fields.values() for t in texts.values())
    ours = ours or any(tag["writer"] == "tagger" for tag in tags)
    waits = not body and (row is not None or not ours)
    state: State = "waiting" if waits else _ended(body, bool(proposals), ours)
    return {"state": state, "reasons": body.get("reasons", []), "error": body.get("error"), "proposals": proposals}


def _ended(body: Mapping[str, Any], proposes: bool, ours: bool) -> State:
    if body.get("error"):
        return "failed"
    if proposes:
        return "for review"
    if ours:
        return "written"
    return "kept" if body.get("writes") or body.get("proposals") else "nothing to say"
