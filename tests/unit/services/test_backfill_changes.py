"""A dry run foretells what the sample receiver does, for every state that a field can be in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tagger.demo import listing, receiver
from tagger.demo.media_store import MediaStore, Text, set_tag, set_text
from tagger.provenance import Provenance, TagProvenance, replaceable, text_hash
from tagger.services.backfill.changes import of_message

OURS = (text_hash("Ours"),)
STATES = {
    "never set": (None, (), False),
    "ours": (("Ours", "tagger"), OURS, False),
    "ours already": (("New", "tagger"), (text_hash("New"),), False),
    "of an unknown tagger": (("Elsewhere", "tagger"), OURS, False),
    "of a person": (("By hand", "person"), (), False),
    "cleared": (("", "person"), OURS, False),
    "as ours by hand": (("Ours", "person"), OURS, False),
    "from the file": (("From the file", "import"), (), False),
    "edited, as we were told": (("Ours", "tagger"), OURS, True),
    "edited away, as we were told": (None, OURS, True),
}
SAYS = {"written": "write", "kept": "keep", "unchanged": "unchanged"}


@pytest.mark.parametrize("state", STATES)
def test_a_text(state: str, tmp_path: Path) -> None:
    stands, hashes, edited = STATES[state]
    place = ("alt_text", "en")
    known = Provenance(hashes={place: hashes} if hashes else {}, editor_fields=frozenset([place] if edited else []))
    store = library(tmp_path)
    if stands is not None:
        with store.change() as db:
            set_text(db, "a", Text("alt_text", "en", stands[0], stands[1]))  # type: ignore[arg-type]
    offer = {"value": "New"}
    [foretold] = of_message({"alt_text": {"en": offer}}, present(store), known)
    allowed = replaceable(hashes, edited=edited)
    answer = sent(store, {"alt_text": {"en": {**offer, "if_current": {"in": allowed}}}})["alt_text"]["en"]
    assert foretold.action == SAYS[answer["outcome"]]
    if answer["outcome"] == "written":
        assert (foretold.before, foretold.after) == (answer["previous"], answer["value"])
    store.close()


def test_tags(tmp_path: Path) -> None:
    store = library(tmp_path)
    with store.change() as db:
        set_tag(db, "a", "COFFEE", None, "person", None, present=True)
        set_tag(db, "a", "Old", "old", "tagger", None, present=True)
    offered = [{"id": name, "label": name.title()} for name in ("coffee", "cat", "ours", "theirs")]
    known = Provenance(tags=TagProvenance(ours=("ours", "old"), editor_tags=("theirs",)))
    [change] = of_message({"tags": {"add": offered, "remove": []}}, present(store), known)
    assert (change.action, change.before, change.after) == ("write", "COFFEE, Old", "+Cat, -old")
    store.close()


def library(tmp_path: Path) -> MediaStore:
    store = MediaStore(tmp_path / "library.sqlite", ("en",))
    store.add({"id": "a", "filename": "a.jpg", "media_type": "image/jpeg", "role": "unknown", "created_ms": 1}, {}, "e", b"")
    return store


def present(store: MediaStore) -> dict[str, Any]:
    [asset] = listing.page(store, "http://cms.example", listing.Query())["data"]
    return dict(asset["fields"])


def sent(store: MediaStore, fields: dict[str, Any]) -> dict[str, Any]:
    data = {"asset": {"id": "a"}, "sequence": 1, "fields": fields}
    return dict(receiver.apply(store, receiver.Data.model_validate(data), "dlv_1")["fields"])
