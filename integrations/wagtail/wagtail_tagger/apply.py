"""One message about one picture: the outcome of each field. Compares and writes under the row's lock, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from wagtail_tagger import pictures, review, tags
from wagtail_tagger.conf import Place, config
from wagtail_tagger.models import Picture, Word
from wagtail_tagger.signals import words_written
from wagtail_tagger.words import KEPT, LOCKED, fits, hash_of, judge, stored

Outcome = dict[str, Any]


def apply(kind: str, data: Mapping[str, Any], delivery: str) -> dict[str, Any]:
    """The body of the answer."""
    fields = data.get("fields") or {}
    with transaction.atomic(using=pictures.database()):
        locked = pictures.lock(str(data["asset"]["id"]))
        if locked is None:
            return {"fields": _all(fields, {"outcome": "gone"})}
        picture = pictures.remembered(locked.key)
        sequence = int(data["sequence"])
        if sequence <= picture.sequence and (sequence, delivery) != (picture.sequence, picture.delivery):
            late = {"outcome": "rejected", "reason": "stale_sequence", "sequence": picture.sequence}
            return {"fields": _all(fields, late)} if fields else {"fields": {}, **late}
        picture.sequence, picture.delivery, picture.changed_at = sequence, delivery, timezone.now()
        answer = {
            field: _tags(picture, offers) if field == "tags" else _texts(locked, picture, kind, field, offers)
            for field, offers in fields.items()
        }
        review.show(picture, kind, data, answer)
        picture.save()
        if any("written" in str(outcome) for outcome in answer.values()):
            transaction.on_commit(lambda: words_written.send_robust(config().model, key=locked.key), using=pictures.database())
    return {"fields": answer}


def _all(fields: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    return {name: outcome if name == "tags" else dict.fromkeys(offers, outcome) for name, offers in fields.items()}


def _tags(picture: Picture, offers: Mapping[str, Any]) -> Outcome:
    if config().tags is None:
        return {"outcome": "rejected", "reason": "unknown_field"}
    return LOCKED if picture.locked else tags.change(picture, offers)


def place_of(field: str, offered: str) -> Place | None:
    """Where a text in this language stands. An exact language comes before a related one."""
    mine = [locale for known, locale in config().texts if known == field and fits(offered, locale)]
    exact = [locale for locale in mine if locale.lower() == offered.lower()]
    return (field, (exact or mine)[0]) if mine else None


def _texts(locked: pictures.Locked, picture: Picture, kind: str, field: str, offers: Mapping[str, Any]) -> dict[str, Outcome]:
    return {locale: _text(locked, picture, kind, field, locale, offer) for locale, offer in offers.items()}


def _text(locked: pictures.Locked, picture: Picture, kind: str, field: str, locale: str, offer: Mapping[str, Any]) -> Outcome:
    place = place_of(field, locale)
    if place is None:
        known = any(name == field for name, _ in config().texts)
        return {"outcome": "rejected", "reason": "unknown_locale" if known else "unknown_field"}
    if picture.locked:
        return LOCKED
    word = picture.words.filter(field=place[0], locale=place[1]).first()
    now, current = locked.now(place, word), (offer.get("if_current") or {}).get("in") or []
    back = kind == "asset.reverted"
    new = str(offer.get("value") or "") if back else stored(str(offer.get("value") or ""))
    longest = config().longest(place)
    if longest is not None and len(new) > longest:
        return {"outcome": "rejected", "reason": "too_long"}
    if back:
        return _put_back(locked, picture, place, word, offer.get("value"), current)
    outcome = judge(now, word.writer if word else "", new, current)
    if outcome["outcome"] == "unchanged":
        ours = word is not None and word.writer == "tagger" and word.delivery == picture.delivery
        return {**outcome, "value": new, **({"previous": word.previous} if ours else {})}
    if outcome["outcome"] != "write":
        return outcome
    locked.swap(place, new)
    wrote(picture, place, "tagger", new, previous=now)
    return {"outcome": "written", "value": new, "previous": now}


def _put_back(
    locked: pictures.Locked, picture: Picture, place: Place, word: Word | None, value: str | None, current: Any
) -> Outcome:
    now = locked.now(place, word)
    if now == value:
        return {"outcome": "unchanged", "value": value}
    if word is None or word.writer != "tagger" or hash_of(now) not in current:
        return KEPT
    locked.swap(place, value)
    if value is None:
        word.delete()
    else:
        wrote(picture, place, "tagger", value)
    return {"outcome": "written", "value": value}


def wrote(picture: Picture, place: Place, writer: str, value: str | None, *, previous: str | None = None) -> None:
    """Remembers who wrote this text. Under the row's lock."""
    known = {"writer": writer, "hash": hash_of(value or ""), "previous": previous}
    delivery = picture.delivery if writer == "tagger" else ""
    Word.objects.update_or_create({**known, "delivery": delivery}, picture=picture, field=place[0], locale=place[1])
