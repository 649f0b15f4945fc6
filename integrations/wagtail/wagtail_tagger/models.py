"""What the app remembers beside the image model: who wrote which words, what tagger told, and what waits to be sent."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Picture(models.Model):
    """One picture of the image model. `key` is its primary key as text; a UUID without hyphens."""

    STATES = ("waiting", "written", "review", "nothing", "failed", "kept")

    key = models.CharField(max_length=64, primary_key=True)
    sequence = models.BigIntegerField(default=0)  # of the last message that was taken
    delivery = models.CharField(max_length=255, blank=True, default="")
    state = models.CharField(max_length=16, blank=True, default="", db_index=True)
    told = models.JSONField(default=dict)  # reasons, proposals, offers that were kept off, error
    version = models.PositiveIntegerField(default=0)  # counts the files that replaced one another
    locked = models.BooleanField(default=False)
    changed_at = models.DateTimeField(default=timezone.now, db_index=True)


class Word(models.Model):
    """Who wrote a text last. Without a row nobody is known to have set it."""

    picture = models.ForeignKey(Picture, models.CASCADE, related_name="words")
    field = models.CharField(max_length=32)
    locale = models.CharField(max_length=35)
    writer = models.CharField(max_length=8)  # "tagger" or "person"
    hash = models.CharField(max_length=80, blank=True, default="")
    delivery = models.CharField(max_length=255, blank=True, default="")
    previous = models.TextField(null=True)  # null: it was never set; "": it was set empty

    class Meta:
        constraints = [models.UniqueConstraint(fields=["picture", "field", "locale"], name="tagger_word")]


class Tag(models.Model):
    """A term that tagger offered once. `writer` person: an editor typed it or took it off."""

    picture = models.ForeignKey(Picture, models.CASCADE, related_name="terms")
    term = models.CharField(max_length=255)
    label = models.CharField(max_length=255)  # as it stands at the picture
    writer = models.CharField(max_length=8)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["picture", "term"], name="tagger_tag")]


class Message(models.Model):
    """What waits to be sent to tagger. It is written in the transaction that changed something."""

    event = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=64, db_index=True)
    data = models.JSONField(default=dict)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now, db_index=True)
    error = models.CharField(max_length=500, blank=True, default="")
