"""A picture of whatever image model the settings name, an editor who saves it, and signed messages of tagger."""

from __future__ import annotations

import io
import itertools
import json
import time
import uuid
from typing import Any

from django.conf import settings
from django.core.files.images import ImageFile
from django.test import TransactionTestCase
from PIL import Image

from wagtail_tagger import pictures, signature
from wagtail_tagger.conf import config
from wagtail_tagger.models import Message, Picture
from wagtail_tagger.words import hash_of

numbers = itertools.count(1)


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 24), (next(numbers) % 255, 10, 10)).save(out, "PNG")
    return out.getvalue()


class Case(TransactionTestCase):
    """Real transactions: what is committed together is the subject here."""

    def setUp(self) -> None:
        if settings.KIND == "wagtail":
            from wagtail.models import Collection

            if not Collection.objects.exists():  # a TransactionTestCase empties the tables that migrations filled
                Collection.add_root(name="Root")

    def upload(self, name: str = "a.png", content: bytes = b"") -> str:
        row = config().model()
        setattr(row, config().file, ImageFile(io.BytesIO(content or png()), name=name))
        row.save()
        return pictures.key_of(row.pk)

    def alt(self, key: str) -> str:
        return getattr(pictures.find(key), config().texts["alt_text", "en"]) or ""

    def edit(self, key: str, value: str) -> None:
        row = pictures.find(key)
        setattr(row, config().texts["alt_text", "en"], value)
        row.save()

    def picture(self, key: str) -> Picture:
        return Picture.objects.get(key=key)

    def waiting(self, kind: str | None = None) -> list[Message]:
        found = Message.objects.order_by("pk")
        return list(found.filter(kind=kind) if kind else found)

    def post(self, kind: str, data: dict[str, Any], *, delivery: str = "", secret: str = settings.SECRET, age: int = 0) -> Any:
        body = json.dumps({"type": kind, "data": data}).encode()
        signed = signature.headers(secret, delivery or uuid.uuid4().hex, time.time() - age, body)
        return self.client.post("/tagger/messages", body, content_type="application/json", headers=signed)

    def describe(self, key: str, value: str | None = None, *, ours: tuple[str, ...] = (), delivery: str = "", **more: Any) -> Any:
        """The answer's fields, or the whole answer where there are none."""
        fields: dict[str, Any] = dict(more.pop("fields", {}))
        if value is not None:
            current = [None, *map(hash_of, ours)]
            fields["alt_text"] = {"en": {"value": value, "if_current": {"in": current}, "score": 0.9, "model": "m@1"}}
        sequence = more.pop("sequence", next(numbers))
        data = {"asset": {"id": key}, "sequence": sequence, "fields": fields, "proposals": {}, "reasons": []}
        answer = self.post(more.pop("kind", "asset.described"), {**data, **more}, delivery=delivery)
        self.assertEqual(answer.status_code, 200, answer.content)
        return answer.json()

    def outcome(self, key: str, value: str, **more: Any) -> str:
        return self.describe(key, value, **more)["fields"]["alt_text"]["en"]["outcome"]
