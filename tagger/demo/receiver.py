"""A receiver of tagger's callback that never overwrites a person's text. Copy it into another system.

One transaction handles a whole callback. So an editor cannot save between the comparison and the write.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Annotated, Any

from pydantic import BaseModel, Field

from tagger.demo.changes import keep_replaced, previous
from tagger.demo.media_store import TEXT_FIELDS, MediaStore, NoSuchAsset, Text, living, same, set_tag, set_text
from tagger.demo.tagger_state import remember
from tagger.provenance import text_hash

MAX_TEXT = 2_000
REVERTED = "asset.reverted"
MARKUP = re.compile(r"<[^>]*>")

Id = Annotated[str, Field(min_length=1, max_length=255)]


class AssetRef(BaseModel):
    id: Id


class IfCurrent(BaseModel):
    accepted: list[str | None] = Field(alias="in")  # null: never set; "sha256:…": of the value as it is now


class TextOffer(BaseModel):
    value: str | None  # None, in `asset.reverted` alone: as if the field was never set
    if_current: IfCurrent
    model: str | None = None
    score: float | None = None


class TagOffer(BaseModel):
    id: Id
    label: Id
    score: float | None = None


class TagsOffer(BaseModel):
    add: list[TagOffer]
    remove: list[Id]


class Proposal(BaseModel):
    """A proposal for a person. This library shows it and never writes it by itself."""

    value: Any
    reasons: list[str] = []
    score: float | None = None


class Problem(BaseModel):
    detail: str
    remedy: str = ""


class Data(BaseModel):
    asset: AssetRef
    sequence: int
    fields: dict[str, dict[str, TextOffer] | TagsOffer]
    reasons: list[str] = []
    proposals: dict[str, dict[str, Proposal]] = {}
    error: Problem | None = None  # of `asset.failed`


class Envelope(BaseModel):
    """The fields of every message. A message of an unknown type is accepted and ignored."""

    type: str


class Message(Envelope):
    """The parts of `asset.described`, `asset.failed` and `asset.reverted` that this library uses. It ignores other parts."""

    data: Data


def apply(store: MediaStore, data: Data, delivery: str, kind: str = "asset.described") -> dict[str, Any]:
    """Handle a callback and return the answer. `delivery` is its webhook-id."""
    with store.change() as db:
        try:
            asset = living(db, data.asset.id)
        except NoSuchAsset:
            return {"fields": {name: _for_each(offer, {"outcome": "gone"}) for name, offer in data.fields.items()}}
        # The same sequence with another id: the sender was restored from a backup, and counts again.
        if data.sequence < asset["sequence"] or (data.sequence == asset["sequence"] and delivery != asset["delivery"]):
            late = {"outcome": "rejected", "reason": "stale_sequence", "sequence": asset["sequence"]}
            answer = {"fields": {name: _for_each(offer, late) for name, offer in data.fields.items()}}
            return answer if data.fields else {**answer, **late}
        db.execute("UPDATE assets SET sequence = ?, delivery = ? WHERE id = ?", (data.sequence, delivery, data.asset.id))
        remember(db, data.asset.id, {**data.model_dump(include={"reasons", "proposals", "error"}), "writes": bool(data.fields)})
        turn = (_Undo if kind == REVERTED else _Turn)(db, store.locales, data.asset.id, delivery, data.sequence)
        return {"fields": {name: turn.field(name, offer) for name, offer in data.fields.items()}}


def _for_each(offer: dict[str, TextOffer] | TagsOffer, answer: dict[str, Any]) -> dict[str, Any]:
    return answer if isinstance(offer, TagsOffer) else dict.fromkeys(offer, answer)


class _Turn:
    """The handling of one callback inside its transaction."""

    def __init__(self, db: sqlite3.Connection, locales: tuple[str, ...], asset: str, delivery: str, sequence: int) -> None:
        self._db, self._locales, self._asset, self._delivery, self._sequence = db, locales, asset, delivery, sequence

    def field(self, name: str, offer: dict[str, TextOffer] | TagsOffer) -> dict[str, Any]:
        if isinstance(offer, TagsOffer):
            return self._tags(offer)
        return {locale: self._text(name, locale, text) for locale, text in offer.items()}

    def _text(self, field: str, locale: str, offer: TextOffer) -> dict[str, Any]:
        if field not in TEXT_FIELDS:
            return {"outcome": "rejected", "reason": "unknown_field"}
        if locale not in self._locales:
            return {"outcome": "rejected", "reason": "unknown_locale"}
        if offer.value is not None and len(stored(offer.value)) > MAX_TEXT:
            return {"outcome": "rejected", "reason": "too_long"}
        now = self._db.execute(
            "SELECT value, writer FROM texts WHERE asset = ? AND field = ? AND locale = ?", (self._asset, field, locale)
        ).fetchone()
        return self._changed(field, locale, offer, now)

    def _changed(self, field: str, locale: str, offer: TextOffer, now: sqlite3.Row | None) -> dict[str, Any]:
        """`now`: the present text; None: the field was never set."""
        value = stored(offer.value or "")
        if now is not None and now["writer"] == "person":  # also if a person typed the same text, or cleared the field
            return {"outcome": "kept", "reason": "edited_by_person", "value": now["value"]}
        if now is not None and now["writer"] == "tagger" and now["value"] == value:
            return {"outcome": "unchanged", "value": value, **previous(self._db, self._asset, field, locale, self._delivery)}
        if (None if now is None else text_hash(now["value"])) not in offer.if_current.accepted:
            return {"outcome": "kept", "reason": "not_what_tagger_wrote", **({} if now is None else {"value": now["value"]})}
        set_text(self._db, self._asset, Text(field, locale, value, "tagger", offer.model, offer.score))
        self._count(field, locale)
        replaced = None if now is None else now["value"]
        keep_replaced(self._db, self._asset, field, locale, self._delivery, replaced)
        return {"outcome": "written", "value": value, "previous": replaced}

    def _tags(self, offer: TagsOffer) -> dict[str, Any]:
        """Add tags that no person added or removed. Remove only tags that tagger added."""
        present = {row["label"]: row for row in self._db.execute("SELECT * FROM tags WHERE asset = ?", (self._asset,))}
        ours = {row["term"]: label for label, row in present.items() if row["writer"] == "tagger"}
        taken_off = {row["term"] for row in present.values() if not row["present"]}
        removed: list[str] = []
        for term in offer.remove:
            if term in ours:
                self._db.execute("DELETE FROM tags WHERE asset = ? AND label = ?", (self._asset, ours[term]))
                del present[ours.pop(term)]
                removed.append(term)
        changed = bool(removed)
        labels = {same(label) for label in present}  # also those that a person took off
        for tag in offer.add:
            if same(tag.label) not in labels and tag.id not in ours and tag.id not in taken_off:
                labels.add(same(tag.label))
                set_tag(self._db, self._asset, tag.label, tag.id, "tagger", tag.score, present=True)
                ours[tag.id] = tag.label
                changed = True
        added = [tag.id for tag in offer.add if tag.id in ours]  # also by an earlier attempt of this delivery
        if changed:
            self._count("tags", "")
        rows = self._db.execute("SELECT label FROM tags WHERE asset = ? AND present = 1 ORDER BY label", (self._asset,))
        shown = [row["label"] for row in rows]
        return {"outcome": "written" if changed else "unchanged", "value": shown, "added": added, "removed": removed}

    def _count(self, field: str, locale: str) -> None:
        """An effective write: this library changed its state."""
        self._db.execute(
            "INSERT INTO writes (asset, field, locale, delivery, sequence) VALUES (?, ?, ?, ?, ?)",
            (self._asset, field, locale, self._delivery, self._sequence),
        )


class _Undo(_Turn):
    """One `asset.reverted`: restores a text if tagger's text is still present. Tags are handled as in a description."""

    def _changed(self, field: str, locale: str, offer: TextOffer, now: sqlite3.Row | None) -> dict[str, Any]:
        if (None if now is None else now["value"]) == offer.value:
            return {"outcome": "unchanged", "value": offer.value}
        if now is None or now["writer"] != "tagger" or text_hash(now["value"]) not in offer.if_current.accepted:
            return {"outcome": "kept", "reason": "edited_by_person"}
        if offer.value is None:
            where = (self._asset, field, locale)
            self._db.execute("DELETE FROM texts WHERE asset = ? AND field = ? AND locale = ?", where)
        else:
            set_text(self._db, self._asset, Text(field, locale, offer.value, "tagger"))
        self._count(field, locale)
        return {"outcome": "written", "value": offer.value}


def stored(text: str) -> str:
    """The text as this library stores it: without markup and line breaks. So it may differ from the text that was sent."""
    return " ".join(MARKUP.sub("", text).split())
