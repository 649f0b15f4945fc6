"""The callback of docs/protocol.md: the body that we send, and what the receiver's answer means. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from tagger.annotation import Outcome
from tagger.cms.base import Answer
from tagger.cms.generic.stale_sequence import stale_sequence
from tagger.confirmation import answered
from tagger.delivery import DeliveryClaim, FieldOutcome
from tagger.instants import format_instant
from tagger.message import REVERTED
from tagger.provenance import TagProvenance, replaceable, tag_change, text_hash

TAGS = "tags"
REASON_CHARS = 200  # of a receiver's reason that we keep
BOM = b"\xef\xbb\xbf"
MAX_BRACES = 50  # in an answer that is not JSON as a whole: places where an object may begin
DECODER = json.JSONDecoder()
OUTCOMES = frozenset(get_args(Outcome))


def tags_hash(labels: Sequence[str]) -> str:
    """The same of a list of tags: of its JSON, sorted, since a CMS keeps no order of tags."""
    return text_hash(json.dumps(sorted(labels), ensure_ascii=False, separators=(",", ":")))


def body(claim: DeliveryClaim) -> bytes:
    """The message for one attempt. All attempts send the same body unless the provenance changed in between.

    `if_current` holds null (the field was never set) and the hash of each text that tagger wrote before. It is empty for a field
    that an editor changed since. Which tags are added and removed is decided in tagger/provenance.py.
    """
    texts = _undone if claim.type == REVERTED else _texts
    tags = _tags if claim.type != REVERTED else lambda _, asked: asked
    fields = {name: tags(claim, value) if name == TAGS else texts(claim, name, value) for name, value in claim.fields.items()}
    data: dict[str, Any] = {"job": claim.job_id, "asset": {"id": claim.asset_id}, "sequence": claim.sequence, **claim.notice}
    data["fields"] = fields  # empty in a failure, for receivers that look at the fields before the type
    if claim.metadata:
        data["metadata"] = dict(claim.metadata)
    message = {"type": claim.type, "timestamp": format_instant(claim.described_ms), "data": data}
    return json.dumps(message, separators=(",", ":")).encode()


def _undone(claim: DeliveryClaim, name: str, locales: Mapping[str, Any]) -> dict[str, Any]:
    """The texts to put back. A field that a person changed since is the editor's."""
    theirs: dict[str, Any] = {"if_current": {"in": []}}
    return {locale: {**offer, **(theirs if (name, locale) in claim.editor_fields else {})} for locale, offer in locales.items()}


def _texts(claim: DeliveryClaim, name: str, locales: Mapping[str, Any]) -> dict[str, Any]:
    return {locale: {**offer, "if_current": {"in": _replaceable(claim, (name, locale))}} for locale, offer in locales.items()}


def _replaceable(claim: DeliveryClaim, place: tuple[str, str]) -> list[str | None]:
    return replaceable(claim.provenance.get(place, ()), edited=place in claim.editor_fields)


def _tags(claim: DeliveryClaim, offer: Mapping[str, Any]) -> dict[str, Any]:
    known = TagProvenance(ours=claim.provenance_tags, editor_tags=claim.editor_tags)
    change = tag_change([tag["id"] for tag in offer["add"]], known)
    return {**offer, "add": [tag for tag in offer["add"] if tag["id"] in change.add], "remove": sorted(change.remove)}


def read_answer(claim: DeliveryClaim, content: bytes) -> Answer:
    """One FieldOutcome for each field and locale that was sent. Never fails: nobody's answer may undo a 2xx.

    Where nothing was to be written, nothing is expected: any 2xx will do. It may refuse the message as stale all the same.
    """
    content = content.removeprefix(BOM).strip()
    if not content:
        return Answer()
    if not claim.fields:
        return Answer(sequence=stale_sequence([_whole(content)]))
    complaint = ""
    try:
        fields = json.loads(content)["fields"]
    except (KeyError, TypeError, RecursionError):
        return Answer(complaint='The answer is not JSON with "fields".')
    except ValueError:
        fields = _fields_amid(content.decode("utf-8", "replace"))
        if fields is None:
            return Answer(complaint='The answer is not JSON with "fields".')
        complaint = "The answer holds other text around its JSON, such as a notice of PHP; it was passed over."
    if not isinstance(fields, dict):
        return Answer(complaint='"fields" of the answer is not an object.')
    outcomes = tuple(_outcome(name, locale, sent, fields) for name, locale, sent in sent(claim))
    complaint = complaint or _unanswered(outcomes, fields)
    said = [_said(name, locale, fields) for name, locale, _ in sent(claim)]
    return Answer(outcomes=outcomes, sequence=stale_sequence(said), complaint=complaint)


def _unanswered(outcomes: Sequence[FieldOutcome], fields: Mapping[str, Any]) -> str:
    """tagger cannot replace its own text later if the receiver did not say that it wrote it. So the operator is told."""
    silent = [outcome for outcome in outcomes if not answered(outcome)]
    if not silent:
        return ""
    if len(silent) == len(outcomes):
        complaint = 'The "fields" of the answer name no outcome of any field that was sent.'
    else:
        places = ", ".join(f"{one.field} in {one.locale}" if one.locale else one.field for one in silent[:5])
        complaint = f"The answer names no known outcome of {places}{' and others' if len(silent) > 5 else ''}."
    bare = any(one.locale and isinstance(said := fields.get(one.field), dict) and "outcome" in said for one in silent)
    return f"{complaint} The outcome of a text stands under its locale." if bare else complaint


def _whole(content: bytes) -> Any:
    """The JSON of an answer from which no outcome is expected; None if it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _fields_amid(text: str) -> Any:
    """`fields` of the last JSON object that has them and stands on its own in other text; None where there is none."""
    found, start = None, -1
    for _ in range(MAX_BRACES):
        start = text.find("{", start + 1)
        if start < 0:
            break
        try:
            answer, end = DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        found = answer.get("fields", found)
        start = end - 1
    return found


def sent(claim: DeliveryClaim) -> Iterator[tuple[str, str, str]]:
    """(field, locale, hash of what we sent) of everything in the message."""
    for name, value in claim.fields.items():
        if name == TAGS:
            yield name, "", tags_hash([tag["label"] for tag in value["add"]])
        else:
            for locale, offer in value.items():
                yield name, locale, text_hash(offer["value"] or "")


def _said(name: str, locale: str, fields: Mapping[str, Any]) -> Any:
    said = fields.get(name)
    if locale and isinstance(said, dict):
        return said[locale] if locale in said else _of_locale(said, locale)
    return said


def _outcome(name: str, locale: str, sent: str, fields: Mapping[str, Any]) -> FieldOutcome:
    said = _said(name, locale, fields)
    if not isinstance(said, dict):
        return FieldOutcome(field=name, locale=locale, outcome="unverified", reason="not_answered")
    outcome, reason = said.get("outcome"), said.get("reason")
    if not isinstance(outcome, str) or outcome not in OUTCOMES:
        return FieldOutcome(field=name, locale=locale, outcome="unverified", reason="unknown_outcome")
    return FieldOutcome(
        field=name,
        locale=locale,
        outcome=outcome,  # type: ignore[arg-type]
        reason=reason[:REASON_CHARS] if isinstance(reason, str) else "",
        value_sha256=_read_back(said.get("value"), outcome, sent),
        added=_ids(said.get("added")) if name == TAGS else None,
        removed=_ids(said.get("removed")) if name == TAGS else None,
        **_previous(said, name, outcome),
    )


def _of_locale(said: Mapping[str, Any], locale: str) -> Any:
    """What an answer says under its own spelling of the locale: WordPress writes `pt_BR`."""
    return next((value for key, value in said.items() if _plain(key) == _plain(locale)), None)


def _plain(locale: str) -> str:
    return locale.replace("_", "-").lower()


def _previous(said: Mapping[str, Any], name: str, outcome: str) -> dict[str, Any]:
    """What a write replaced, so that it can be undone: also a write of an earlier attempt, whose answer was lost.

    Tags need none: `added` and `removed` say it.
    """
    if name == TAGS or outcome not in ("written", "unchanged") or "previous" not in said:
        return {}
    value = said["previous"]
    return {"previous": value, "previous_said": True} if value is None or isinstance(value, str) else {}


def _ids(said: object) -> tuple[str, ...] | None:
    return tuple(said) if isinstance(said, list) and all(isinstance(tag, str) for tag in said) else None


def _read_back(value: object, outcome: str, sent: str) -> str | None:
    """The hash of our value as the receiver reads it back; without a value in the answer, of what we sent.

    None for every other outcome: a hash of a person's words must never get among the hashes that we may write over.
    """
    if outcome not in ("written", "unchanged"):
        return None
    if isinstance(value, str):
        return text_hash(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tags_hash(value)
    return sent
