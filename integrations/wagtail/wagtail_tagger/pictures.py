"""The image model of this site: its row, its words, its file. Nothing else reads or writes it."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urljoin

from django.core.exceptions import ValidationError
from django.db import connections, router
from django.db.models import F, Model, QuerySet

from wagtail_tagger.conf import Place, config
from wagtail_tagger.models import Picture, Word


def key_of(pk: Any) -> str:
    """One spelling for each picture, however the caller spells its key."""
    try:
        pk = pk_of(pk)
    except (ValueError, ValidationError):
        return str(pk)
    return pk.hex if isinstance(pk, uuid.UUID) else str(pk)


def pk_field() -> Any:
    field = config().model._meta.pk
    while field.remote_field:
        field = field.target_field
    return field


def pk_of(given: Any) -> Any:
    """As the database holds it. Errors: ValueError or ValidationError, if it can be no key here."""
    pk = pk_field().to_python(given)
    if isinstance(pk, int):
        low, high = connections[database()].ops.integer_field_range(pk_field().get_internal_type())
        if not (low or -(2**63)) <= pk <= (high or 2**63 - 1):
            raise ValueError("A number that the column cannot hold.")
    return pk


def database() -> str:
    return router.db_for_write(config().model)


def rows() -> QuerySet[Any]:
    found = config().model._base_manager.using(database())
    return found.non_polymorphic() if hasattr(found, "non_polymorphic") else found.all()


def of(key: str) -> QuerySet[Any]:
    """The rows of this key: one or none."""
    try:
        return rows().filter(pk=pk_of(key))
    except (ValueError, ValidationError):
        return rows().none()


def find(key: str) -> Model | None:
    return of(key).first()


@dataclass(frozen=True, kw_only=True)
class Locked:
    """A picture whose row nobody else changes until the transaction ends."""

    key: str  # as the row spells it; a message or an address may spell it in another way
    raw: dict[str, str | None]  # attribute → what the database holds

    def now(self, place: Place, word: Word | None) -> str | None:
        """None: never set. Nothing, where somebody is known to have written, is a text that was taken away."""
        value = self.raw[config().texts[place]]
        return value if value else ("" if word else None)

    def swap(self, place: Place, new: str | None) -> None:
        attribute = config().texts[place]
        empty = None if config().model._meta.get_field(attribute).null else ""
        self.raw[attribute] = empty if new is None else new
        of(self.key).update(**{attribute: self.raw[attribute]})


def lock(key: str) -> Locked | None:
    """Call it first in a transaction. None: there is no such picture."""
    attributes = sorted(set(config().texts.values()))
    found = of(key)
    if connections[database()].features.has_select_for_update:
        found = found.select_for_update()
    else:  # SQLite: the first statement must be a write, so that this transaction waits its turn and cannot be stale
        meta = config().model._meta
        own = next(field.name for field in (*meta.local_concrete_fields, *meta.concrete_fields) if not field.primary_key)
        if not found.update(**{own: F(own)}):
            return None
    raw = found.values("pk", *attributes).first()
    return None if raw is None else Locked(key=key_of(raw.pop("pk")), raw=raw)


def revision(row: Model, version: int, again: str = "") -> str:
    """Changes when the file changes, and only then."""
    file = getattr(row, config().file)
    parts = [file.name or "", getattr(row, "file_size", ""), getattr(row, "file_hash", ""), version]
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16] + (f"+{again}" if again else "")


def file_of(row: Any, *, make: bool) -> Any:
    """A rendition of about 1,024 pixels where the model has renditions; else the file. `make`: also if it must be made now."""
    wanted, original = config().rendition, getattr(row, config().file)
    if not wanted or not hasattr(row, "get_rendition"):
        return original
    if make:
        return row.get_rendition(wanted).file
    known = row.renditions.filter(filter_spec=wanted).first()
    return known.file if known else original


def url_of(row: Model, *, make: bool = False) -> str:
    return urljoin(config().base_url + "/", file_of(row, make=make).url)


def image(row: Model, *, make: bool = False) -> dict[str, Any]:
    return {"send": True} if config().send_bytes else {"url": url_of(row, make=make)}


def is_picture(row: Model) -> bool:
    """Whether tagger can describe it: it has a file, and this is no drawing in SVG."""
    name = getattr(row, config().file).name or ""
    return bool(name) and PurePosixPath(name).suffix.lower() not in (".svg", ".svgz")


def context(row: Model) -> dict[str, str | None]:
    """What the editors know. A title that is only the file's name says nothing; a caption of tagger's own would repeat itself."""
    file = PurePosixPath(getattr(row, config().file).name or "").stem
    title = str(getattr(row, config().title, None) or "") if config().title else ""
    return {"role": "unknown", "title": title if title and _plain(title) != _plain(file) else None, "caption": _caption(row)}


def _caption(row: Model) -> str | None:
    for (field, locale), attribute in config().texts.items():
        if field == "caption" and (value := getattr(row, attribute)):
            ours = Word.objects.filter(picture_id=key_of(row.pk), field=field, locale=locale, writer="tagger").exists()
            return None if ours else value
    return None


def _plain(text: str) -> str:
    """Storage adds seven characters to the name of a file that was there already."""
    return re.sub(r"[\W_]+", "", re.sub(r"(_[a-zA-Z0-9]{7})?(\.\w{3,4})?$", "", text)).casefold()


def remembered(key: str) -> Picture:
    return Picture.objects.get_or_create(key=key)[0]
