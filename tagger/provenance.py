"""What tagger wrote to an asset, what it may replace or remove, and what belongs to an editor. Pure.

The callback sends what this module allows, and the ledger stores what this module concludes from the answer. Both decide the
same sets of tags, so the sets are computed only here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tagger.delivery import FieldOutcome

KEPT_HASHES = 8  # per field and locale: an editor may restore an older text that tagger wrote


def text_hash(value: str) -> str:
    """ "sha256:<hex>" of a text's UTF-8: what `if_current` compares. A lone surrogate, which JSON may carry, counts as itself."""
    return "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class TagProvenance:
    """Ids of the tags of one asset: those that tagger added, and those that an editor typed or removed."""

    ours: tuple[str, ...] = ()
    editor_tags: tuple[str, ...] = ()  # never added and never removed by tagger


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What is known about the fields of one asset."""

    hashes: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)  # (field, locale) → our texts, newest first
    editor_fields: frozenset[tuple[str, str]] = frozenset()  # (field, locale) of texts that a person changed, as the CMS told
    tags: TagProvenance = TagProvenance()


@dataclass(frozen=True, kw_only=True)
class TagChange:
    """Ids of the tags that a message asks to add and to remove."""

    add: tuple[str, ...]
    remove: tuple[str, ...]


def replaceable(hashes: Sequence[str], *, edited: bool = False) -> list[str | None]:
    """The values that a message may replace: none at all (the field was never set), and each text that tagger wrote.

    `edited`: a person changed the field since. It is theirs now, also when it is empty, so nothing may be replaced.
    """
    return [] if edited else [None, *hashes]


def tag_change(offered: Sequence[str], before: TagProvenance) -> TagChange:
    """What to ask for when the tags `offered` describe the asset.

    A tag that tagger added before and offers again is not sent: either it is still there, or an editor removed it. A tag that
    tagger added before and no longer offers is removed. A tag of an editor is neither added nor removed.
    """
    return TagChange(
        add=tuple(tag for tag in offered if tag not in before.ours and tag not in before.editor_tags),
        remove=tuple(tag for tag in before.ours if tag not in offered),
    )


def tags_after_edit(before: TagProvenance, changed: Sequence[str]) -> TagProvenance:
    """Whose the tags are after an editor added or removed the tags `changed`: tagger neither adds nor removes them again."""
    editors = dict.fromkeys((*before.editor_tags, *changed))
    return TagProvenance(ours=tuple(tag for tag in before.ours if tag not in editors), editor_tags=tuple(editors))


def wrote(outcome: FieldOutcome, *, sent_before: bool) -> bool:
    """Whether the field now holds what tagger sent, because tagger sent it.

    `unchanged` proves that only when an earlier attempt of the same delivery may have arrived and its answer was lost
    (`sent_before`). On a first attempt, somebody else wrote the same words.
    """
    return outcome.outcome == "written" or (outcome.outcome == "unchanged" and sent_before)


def hashes_after(hashes: Sequence[str], outcome: FieldOutcome, *, sent_before: bool) -> tuple[str, ...]:
    """The hashes of our texts after an answer, newest first."""
    if outcome.value_sha256 is None or not wrote(outcome, sent_before=sent_before):
        return tuple(hashes[:KEPT_HASHES])
    newest = outcome.value_sha256
    return (newest, *(value for value in hashes if value != newest))[:KEPT_HASHES]


def tags_after(offered: Sequence[str], before: TagProvenance, outcome: FieldOutcome, *, sent_before: bool) -> TagProvenance:
    """Whose the tags are after an answer to the message that `tag_change` describes.

    - If the answer does not list the added tags, the receiver is taken to have added all: it must itself know whose they are.
    - A tag that we asked to add and that the answer does not list as added belongs to an editor.
    - A tag that we asked to remove and that the answer does not list as removed was removed by an editor, or by an earlier
      attempt of this delivery.
    """
    if outcome.outcome not in ("written", "unchanged", "kept"):
        return before
    change, written = tag_change(offered, before), wrote(outcome, sent_before=sent_before)
    listed = outcome.added if outcome.added is not None else change.add if written else ()
    added = [tag for tag in change.add if tag in listed]
    editors = [tag for tag in change.add if outcome.added is not None and tag not in listed]
    if not written:  # nothing was changed: the removals are asked for again
        return TagProvenance(ours=(*before.ours, *added), editor_tags=(*before.editor_tags, *editors))
    if outcome.removed is not None and not sent_before:
        editors += [tag for tag in change.remove if tag not in outcome.removed]
    stay = (tag for tag in before.ours if tag in offered)
    return TagProvenance(ours=(*stay, *added), editor_tags=(*before.editor_tags, *editors))


def tags_after_undo(
    before: TagProvenance, removed: Sequence[str], added: Sequence[str], outcome: FieldOutcome, *, sent_before: bool
) -> TagProvenance:
    """Whose the tags are after an answer to an `asset.reverted` that asked to take off `removed` and to put back `added`.

    - A tag that was to be put back and that the answer does not list as added belongs to an editor.
    - A tag of tagger that was to be taken off and that the answer does not list as removed was removed by an editor, or by an
      earlier attempt of this delivery.
    """
    if outcome.outcome not in ("written", "unchanged"):
        return before
    back = [tag for tag in added if tag not in before.editor_tags and (outcome.added is None or tag in outcome.added)]
    ours = [tag for tag in before.ours if tag not in removed]
    editors = [tag for tag in added if tag not in back]
    if outcome.removed is not None and not sent_before:
        editors += [tag for tag in removed if tag in before.ours and tag not in outcome.removed]
    return TagProvenance(
        ours=tuple(dict.fromkeys((*ours, *back))), editor_tags=tuple(dict.fromkeys((*before.editor_tags, *editors)))
    )
