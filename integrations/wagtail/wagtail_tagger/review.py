"""What an editor sees beside a picture, and what becomes of a proposal. A proposal is never written by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from wagtail_tagger import outbox, pictures
from wagtail_tagger.conf import Place, config
from wagtail_tagger.models import Picture, Word
from wagtail_tagger.words import fits, hash_of, stored


class TooLong(ValueError):
    """An accepted text does not fit into its field."""

    def __init__(self, chars: int, longest: int) -> None:
        super().__init__(
            f"The text has {chars} characters, and the field takes {longest} at most. Nothing was saved. Shorten it."
        )


def name_of(place: Place) -> str:
    return "|".join(place)


def show(picture: Picture, kind: str, data: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Sets `told` and `state`; the caller saves."""
    if kind == "asset.reverted":
        picture.told, picture.state = {}, ""
    elif "error" in data:
        error = data["error"] or {}
        picture.told = {"error": {part: str(error.get(part, "")) for part in ("code", "detail", "remedy")}}
        picture.state = "failed"
    else:
        persons = {(word.field, word.locale) for word in picture.words.all() if word.writer == "person"}
        proposals = {name_of(place): text for place, text, _ in _offers(data.get("proposals")) if place not in persons}
        kept, ours, outcomes = {}, {}, []
        for place, text, locale in _offers(data.get("fields")):
            outcome = answer[place[0]][locale]["outcome"]
            outcomes.append(outcome)
            (kept if outcome == "kept" else ours)[name_of(place)] = text
        picture.told = {"reasons": data.get("reasons") or [], "proposals": proposals, "kept": kept, "written": ours}
        picture.state = "review" if proposals else _state([*outcomes, (answer.get("tags") or {}).get("outcome", "")])


def _state(outcomes: list[str]) -> str:
    if "written" in outcomes or "unchanged" in outcomes:
        return "written"
    return "kept" if "kept" in outcomes else "nothing"


def _offers(fields: Mapping[str, Any] | None) -> Iterator[tuple[Place, dict[str, Any], str]]:
    """Place, text with score and reasons, and the locale as the message names it."""
    for field, offers in (fields or {}).items():
        for locale, offer in offers.items() if field != "tags" else ():
            for place in config().texts:
                if place[0] == field and fits(locale, place[1]) and isinstance(offer.get("value"), str):
                    more = {part: offer.get(part) for part in ("score", "model", "reasons")}
                    yield place, {"value": stored(offer["value"]), **more}, locale
                    break


def settled(picture: Picture, place: Place) -> None:
    """A person decided about this field; nothing is offered for it any more."""
    told = dict(picture.told)
    for part in ("proposals", "kept", "written"):
        told[part] = {name: text for name, text in told.get(part, {}).items() if name != name_of(place)}
    picture.told, picture.changed_at = told, timezone.now()
    if picture.state != "waiting" and not told["proposals"]:
        picture.state = "written" if told["written"] else ""
    picture.save()


def accept(key: str, place: Place, shown: str, value: str) -> bool:
    """Writes `value` as the editor's. False: tagger has offered something else than was shown, and nothing was written.

    Errors: TooLong.
    """
    longest = config().longest(place)
    if longest is not None and len(value) > longest:
        raise TooLong(len(value), longest)
    with transaction.atomic(using=pictures.database()):
        locked = pictures.lock(key)
        if locked is None:
            return False
        picture = pictures.remembered(locked.key)
        told = picture.told
        offer = told.get("proposals", {}).get(name_of(place)) or told.get("kept", {}).get(name_of(place))
        if offer is None or offer["value"] != shown:
            return False
        decided(locked, picture, place, value)
    return True


def reject(key: str, place: Place) -> None:
    """The text as it stands, also if it is empty, is the editor's."""
    with transaction.atomic(using=pictures.database()):
        locked = pictures.lock(key)
        if locked is not None:
            decided(locked, pictures.remembered(locked.key), place, locked.raw[config().texts[place]] or "")


def decided(locked: pictures.Locked, picture: Picture, place: Place, value: str) -> None:
    if locked.raw[config().texts[place]] != value:
        locked.swap(place, value)
    person_wrote(picture, {place: value})


def person_wrote(picture: Picture, texts: Mapping[Place, str]) -> None:
    """These texts are a person's from now on; tagger is told. Under the row's lock."""
    fields: dict[str, dict[str, Any]] = {}
    for place, value in texts.items():
        word = Word.objects.filter(picture=picture, field=place[0], locale=place[1]).first()
        fields.setdefault(place[0], {})[place[1]] = {"value": value, "was": word.hash if word else None}
        known = {"writer": "person", "hash": hash_of(value), "delivery": "", "previous": None}
        Word.objects.update_or_create(known, picture=picture, field=place[0], locale=place[1])
        settled(picture, place)
    outbox.add("asset.edited", picture.key, {"by": "person", "fields": fields})


def set_locked(key: str, locked: bool) -> None:
    with transaction.atomic(using=pictures.database()):
        if (row := pictures.lock(key)) is not None:
            pictures.remembered(row.key)
            Picture.objects.filter(key=row.key).update(locked=locked, changed_at=timezone.now())


def describe(key: str, *, again: bool = True) -> None:
    """Asks tagger for a text, also of a picture that was described before."""
    with transaction.atomic(using=pictures.database()):
        if (row := pictures.lock(key)) is not None:
            pictures.remembered(row.key)
            Picture.objects.filter(key=row.key).update(state="waiting", changed_at=timezone.now())
            stamp = timezone.now().strftime("%Y%m%d%H%M%S%f")
            outbox.add("asset.updated", row.key, {"again": stamp} if again else {})
