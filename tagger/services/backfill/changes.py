"""What a message would change in a CMS, seen from here: what a dry run shows. Pure.

The rules are those of the receivers (docs/protocol.md): a text is written where the field was never set or holds what tagger
wrote, and a tag is put on once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tagger.catalog.labels import folded
from tagger.provenance import Provenance, replaceable, tag_change, text_hash

Action = Literal["write", "keep", "unchanged"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One field of one asset."""

    field: str
    locale: str  # "" for tags
    action: Action
    before: str | None  # None: the field was never set
    after: str | None
    reason: str = ""


def of_message(fields: Mapping[str, Any], present: Mapping[str, Any], known: Provenance) -> Iterator[Change]:
    """`fields`: of the message. `present`: the fields as the CMS listed them. `known`: what tagger wrote before."""
    for name, offer in fields.items():
        if name == "tags":
            yield _tags(offer["add"], (present.get("tags") or {}).get("labels") or (), known)
        else:
            for locale, text in offer.items():
                yield _text(name, locale, text["value"], (present.get(name) or {}).get(locale) or {}, known)


def _text(field: str, locale: str, value: str, present: Mapping[str, Any], known: Provenance) -> Change:
    before = present.get("value")
    mine = replaceable(known.hashes.get((field, locale), ()), edited=(field, locale) in known.editor_fields)
    place: dict[str, Any] = {"field": field, "locale": locale, "before": before}
    if before is not None and present.get("writer") == "person":
        return Change(**place, action="keep", after=before, reason="edited_by_person")
    if (None if before is None else text_hash(before)) not in mine:
        why = "edited_by_person" if not mine else "not_what_tagger_wrote"
        return Change(**place, action="keep", after=before, reason=why)
    if before == value:
        return Change(**place, action="unchanged", after=before)
    return Change(**place, action="write", after=value)


def _tags(offered: Sequence[Mapping[str, Any]], labels: Sequence[str], known: Provenance) -> Change:
    change = tag_change([tag["id"] for tag in offered], known.tags)
    there = {folded(label) for label in labels}
    add = [tag["label"] for tag in offered if tag["id"] in change.add and folded(tag["label"]) not in there]
    asked = [f"+{label}" for label in add] + [f"-{tag}" for tag in change.remove]
    shown = ", ".join(labels) or None
    action: Action = "write" if asked else "unchanged"
    return Change(field="tags", locale="", action=action, before=shown, after=", ".join(asked) or shown)
