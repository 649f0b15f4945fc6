"""`library.page`: the pictures of this site in the order of their keys, and who wrote their words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timezone as zones
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from wagtail_tagger import pictures, tags
from wagtail_tagger.conf import config
from wagtail_tagger.models import Picture, Word
from wagtail_tagger.words import hash_of

MOST = 200
UTC = zones.utc  # noqa: UP017 - Python 3.10 has no datetime.UTC


def page(query: Mapping[str, Any]) -> dict[str, Any]:
    limit = max(1, min(MOST, int(query.get("limit") or 50)))
    selected = chosen(query)
    after = _keys([query["cursor"]]) if query.get("cursor") else []
    left = selected.filter(pk__gt=after[0]) if after else selected
    found = list(left.order_by("pk")[: limit + 1])
    shown = [row for row in found[:limit] if getattr(row, config().file)]
    known = Picture.objects.prefetch_related("words").in_bulk([pictures.key_of(row.pk) for row in shown])
    return {
        "data": [_listed(row, known.get(pictures.key_of(row.pk))) for row in shown],
        "next_cursor": pictures.key_of(found[limit - 1].pk) if len(found) > limit else None,
        "total": selected.count(),
    }


def _keys(given: Any) -> list[Any]:
    """Those that can be keys here."""
    keys = []
    for key in given:
        try:
            keys.append(pictures.pk_of(str(key)))
        except (ValueError, ValidationError):
            continue
    return keys


def _of(found: QuerySet[Any]) -> QuerySet[Any]:
    """The keys of our rows, as the image model's database type."""
    kind = pictures.pk_field().__class__()
    return found.annotate(own=Cast("picture_id" if found.model is Word else "key", output_field=kind)).values("own")


def chosen(query: Mapping[str, Any]) -> QuerySet[Any]:
    found = pictures.rows()
    if query.get("ids") is not None:
        found = found.filter(pk__in=_keys(query["ids"])[:MOST])
    if query.get("since"):
        since = parse_datetime(str(query["since"])) or timezone.now()
        recent = Q(pk__in=_of(Picture.objects.filter(changed_at__gte=since)))
        unknown = ~Q(pk__in=_of(Picture.objects.all()))
        if any(field.name == "created_at" for field in config().model._meta.get_fields()):
            unknown &= Q(created_at__gte=since)
        found = found.filter(recent | unknown)
    if query.get("missing"):
        found = found.filter(_missing(query["missing"]))
    return found


def _missing(fields: Any) -> Q:
    """One of these fields was never set."""
    wanted = Q(pk__in=[])
    for (field, locale), name in config().texts.items():
        if field in fields:
            empty = Q(**{name: ""}) | (
                Q(**{f"{name}__isnull": True}) if config().model._meta.get_field(name).null else Q(pk__in=[])
            )
            wanted |= empty & ~Q(pk__in=_of(Word.objects.filter(field=field, locale=locale)))
    return wanted


def _listed(row: Any, picture: Picture | None) -> dict[str, Any]:
    words = {(word.field, word.locale): word for word in picture.words.all()} if picture else {}
    fields: dict[str, Any] = {}
    for place, name in config().texts.items():
        fields.setdefault(place[0], {})[place[1]] = _text(getattr(row, name), words.get(place))
    if config().tags:
        fields["tags"] = {"labels": tags.labels(row)}
    changed = picture.changed_at if picture else getattr(row, "created_at", None) or timezone.now()
    return {
        "id": pictures.key_of(row.pk),
        "revision": pictures.revision(row, picture.version if picture else 0),
        "modified_at": changed.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "image": pictures.image(row),
        "context": {**pictures.context(row), "filename": getattr(row, config().file).name.rsplit("/", 1)[-1]},
        "fields": fields,
    }


def _text(value: str | None, word: Word | None) -> dict[str, Any]:
    writer = word.writer if word else "unknown"
    if writer == "tagger" and hash_of(value or "") != word.hash:
        writer = "unknown"
    return {"value": value or ("" if word else None), "writer": writer}
