"""Tags of a picture, by django-taggit: each term is put on once, and only what tagger put on is taken off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from wagtail_tagger import pictures
from wagtail_tagger.conf import config
from wagtail_tagger.models import Picture, Tag
from wagtail_tagger.words import same, stored

LONGEST = 100  # of django-taggit
TERM = 255
UNOFFERED = "taken off: "  # before a label that an editor took off and tagger never offered; no term of tagger has blanks

_writing: ContextVar[bool] = ContextVar("writing", default=False)


def is_ours() -> bool:
    """Whether the change of tags that runs now is tagger's."""
    return _writing.get()


@contextmanager
def quietly() -> Iterator[None]:
    token = _writing.set(True)
    try:
        yield
    finally:
        _writing.reset(token)


def labels(row: Any) -> list[str]:
    manager = getattr(row, str(config().tags))
    return sorted(tag.name for tag in manager.all())


def change(picture: Picture, offer: Mapping[str, Any]) -> dict[str, Any]:
    """Under the row's lock."""
    row = pictures.find(picture.key)
    manager = getattr(row, str(config().tags))
    there = {same(label): label for label in labels(row)}
    known = {tag.term: tag for tag in picture.terms.all()}
    persons = {same(tag.label) for tag in known.values() if tag.writer == "person"}
    removed, put_on = [], 0
    with quietly():
        for term in offer.get("remove") or []:
            tag = known.get(term)
            if tag and tag.writer == "tagger" and same(tag.label) in there:
                manager.remove(there.pop(same(tag.label)))
                known.pop(term).delete()  # tagger may mean it again later; what an editor took off stays off
                removed.append(term)
        for given in offer.get("add") or []:
            term, label = str(given["id"]), stored(str(given["label"]))
            if term in known or not label or len(label) > LONGEST or len(term) > TERM:
                continue
            writer = "person" if same(label) in there or same(label) in persons else "tagger"
            if writer == "tagger":
                label = _put_on(manager, row, label)
                there[same(label)] = label
                put_on += 1
            known[term] = Tag.objects.create(picture=picture, term=term, label=label, writer=writer)
    offered = [str(given["id"]) for given in offer.get("add") or []]
    ours = {term for term, tag in known.items() if tag.writer == "tagger" and same(tag.label) in there}
    outcome = "written" if put_on or removed else "unchanged"
    added = [term for term in offered if term in ours]
    return {"outcome": outcome, "value": sorted(there.values()), "added": added, "removed": removed}


def _put_on(manager: Any, row: Any, label: str) -> str:
    """The label as it stands then: a site may find tags without regard to case."""
    before = set(labels(row))
    manager.add(label)
    return next(iter(set(labels(row)) - before), label)


def edited(key: str, names: Iterable[str], *, taken_off: bool) -> None:
    """An editor put these labels on or took them off: from then on they are the editor's."""
    touched = {same(name): name for name in names}
    known = set()
    for tag in Tag.objects.filter(picture_id=key):
        if same(tag.label) in touched:
            tag.writer = "person"
            tag.save(update_fields=["writer"])
            known.add(same(tag.label))
    for label in touched.keys() - known if taken_off else ():
        own = {"label": touched[label], "writer": "person"}
        Tag.objects.get_or_create(own, picture_id=key, term=f"{UNOFFERED}{label}"[:TERM])
