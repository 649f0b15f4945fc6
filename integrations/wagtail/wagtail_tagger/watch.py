"""Sees what happens to pictures: uploads, new files, words that a person changed, deletions.

A save of a picture becomes one transaction under the row's lock: the words, whose they are, and the row of the outbox are
committed together or not at all. Django's signals come before or after that transaction, so three methods of the image model
are wrapped instead. tagger's own writes do not pass here.
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete
from django.utils import timezone

from wagtail_tagger import loaded, outbox, pictures, review, tags
from wagtail_tagger.conf import Place, config
from wagtail_tagger.models import Message, Picture

log = logging.getLogger(__name__)


def install(model: Any) -> None:
    if getattr(model, "_tagger_watched", None) is model:
        return
    model._tagger_watched = model
    _remember_what_is_loaded(model)
    _save_in_one_transaction(model)
    post_delete.connect(_deleted, sender=model, dispatch_uid="wagtail_tagger.deleted")
    if config().tags:
        through = getattr(model, str(config().tags)).through
        m2m_changed.connect(_tagged, sender=through, dispatch_uid="wagtail_tagger.tagged")


def _remember_what_is_loaded(model: Any) -> None:
    from_db, refresh = model.from_db.__func__, model.refresh_from_db

    @wraps(from_db)
    def remembering(cls: Any, *args: Any, **more: Any) -> Any:
        instance = from_db(cls, *args, **more)
        loaded.read(instance)
        return instance

    @wraps(refresh)
    def refreshing(self: Any, using: Any = None, fields: Any = None, **more: Any) -> None:
        fields = None if fields is None else list(fields)
        refresh(self, using=using, fields=fields, **more)
        loaded.read(self, fields)

    model.from_db, model.refresh_from_db = classmethod(remembering), refreshing


def _save_in_one_transaction(model: Any) -> None:
    save_base = model.save_base

    @wraps(save_base)
    def saving(self: Any, raw: bool = False, force_insert: Any = False, *args: Any, **more: Any) -> None:
        if raw or not isinstance(self, model):
            save_base(self, raw, force_insert, *args, **more)
            return
        with transaction.atomic(using=pictures.database()):
            is_new = self._state.adding
            locked = None if is_new else pictures.lock(pictures.key_of(self.pk))
            names = more.get("update_fields")
            edited = _edited(self, locked, names)
            new_file = (names is None or config().file in names) and _has_new_file(self)
            save_base(self, raw, force_insert, *args, **more)
            loaded.written(self, names)
            _noted(self, is_new=is_new or locked is None, new_file=new_file, edited=edited)

    model.save_base = saving


def _edited(instance: Any, locked: pictures.Locked | None, names: Any) -> dict[Place, str]:
    """What this save changes. What it does not mean to change keeps the words that tagger wrote since the instance was read."""
    known, edited = loaded.values(instance), {}
    for place, name in config().texts.items() if locked else ():
        if name not in instance.__dict__ or (names is not None and name not in names):
            continue
        value = instance.__dict__[name]
        if name in known and (value or "") == (known[name] or ""):  # a form sends "" for null
            setattr(instance, name, locked.raw[name])
            loaded.read(instance, [name])
        elif (value or "") != (locked.raw[name] or "") or name in known:
            edited[place] = str(value or "")
    return edited


def _has_new_file(instance: Any) -> bool:
    file = getattr(instance, config().file)
    known = loaded.values(instance).get(config().file)
    return bool(file) and (not getattr(file, "_committed", True) or (known is not None and str(file) != known))


def _noted(instance: Model, *, is_new: bool, new_file: bool, edited: dict[Place, str]) -> None:
    """In a savepoint: if our tables fail, the person's save does not."""
    key = pictures.key_of(instance.pk)
    try:
        with transaction.atomic(using=pictures.database()):
            picture = pictures.remembered(key)
            picture.changed_at = timezone.now()
            if not is_new and new_file:
                picture.version += 1
            announced = (is_new or new_file) and config().ready and pictures.is_picture(instance)
            picture.state = "waiting" if announced else picture.state
            picture.save()
            if edited:
                review.person_wrote(picture, edited)
            if announced:
                outbox.add("asset.created" if is_new else "asset.updated", key, {})
    except DatabaseError:
        log.exception("tagger: the change of picture %s was not noted", key)


def _deleted(instance: Model, **_: Any) -> None:
    """Django deletes in a transaction; this is part of it."""
    key = pictures.key_of(instance.pk)
    with transaction.atomic(using=pictures.database()):
        Message.objects.filter(key=key).delete()
        Picture.objects.filter(key=key).delete()
        outbox.add("asset.deleted", key, {})


def _tagged(instance: Any, action: str, pk_set: Any, model: Any, **_: Any) -> None:
    what = {"post_add": "added", "post_remove": "removed", "pre_clear": "removed"}.get(action)
    if what is None or tags.is_ours() or not isinstance(instance, config().model) or instance.pk is None:
        return
    names = tags.labels(instance) if pk_set is None else list(model.objects.filter(pk__in=pk_set).values_list("name", flat=True))
    key = pictures.key_of(instance.pk)
    if not names or not pictures.of(key).exists():
        return
    try:
        with transaction.atomic(using=pictures.database()):
            if pictures.lock(key) is None:
                return
            Picture.objects.filter(key=pictures.remembered(key).key).update(changed_at=timezone.now())
            tags.edited(key, names, taken_off=what == "removed")
            outbox.add("asset.edited", key, {"by": "person", "fields": {"tags": {what: sorted(names)}}})
    except DatabaseError:
        log.exception("tagger: the change of the tags of picture %s was not noted", key)
