"""Wagtail's search finds the words that tagger wrote."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver
from wagtail.search import index

from wagtail_tagger import pictures
from wagtail_tagger.signals import words_written


@receiver(words_written, dispatch_uid="wagtail_tagger.reindex")
def reindexed(key: str, **_: Any) -> None:
    row = pictures.find(key)
    if isinstance(row, index.Indexed):
        index.insert_or_update_object(row)
