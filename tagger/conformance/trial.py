"""What a rule works with: the client, the editor, and assets of its own."""

from __future__ import annotations

import itertools
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tagger.cms.generic import revert
from tagger.cms.generic.library import LibraryPage, PageQuery, read_page
from tagger.conformance.client import Client, Reply
from tagger.conformance.editor import Editor, Reading
from tagger.conformance.outcome import Failed, NotSupported, expect
from tagger.errors import AnswerInvalid
from tagger.ids import new_id
from tagger.provenance import text_hash

FIELD = "alt_text"
GONE = {"outcome": "gone"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the endpoint answered of the one text and of the tags."""

    status: int
    text: Mapping[str, Any]
    tags: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        return str(self.text.get("outcome"))

    @property
    def value(self) -> str:
        return str(self.text.get("value") or "")


@dataclass
class Asset:
    """One asset that this run uploaded."""

    id: str
    trial: Trial

    def describe(
        self,
        value: str | None = None,
        *,
        ours: Sequence[str] = (),
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        tags: bool = False,
        sequence: int | None = None,
        delivery: str | None = None,
        **more: Any,
    ) -> Answer:
        """An `asset.described`. `ours`: texts that tagger wrote before. `tags`: offers tags, also when there are none."""
        data = self.data(value, ours=ours, add=add, remove=remove, tags=tags, sequence=sequence, **more)
        return self.answer(self.trial.client.send("asset.described", data, delivery=delivery))

    def data(
        self,
        value: str | None,
        *,
        ours: Sequence[str] = (),
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        tags: bool = False,
        sequence: int | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if value is not None:
            current = [None, *(text_hash(text) for text in ours)]
            offer = {"value": value, "if_current": {"in": current}, "source": "model", "model": "conformance@1", "score": 0.9}
            fields[FIELD] = {self.trial.locale: offer}
        if add or remove or tags:
            fields["tags"] = {
                "add": [{"id": term(t), "label": t, "score": 0.9} for t in add],
                "remove": [term(t) for t in remove],
            }
        number = self.trial.client.sequence() if sequence is None else sequence
        known = {"job": new_id("job"), "asset": {"id": self.id}, "sequence": number, "fields": fields}
        return {**known, "verdict": "publish", "reasons": [], "proposals": {}, **more}

    def revert(self, value: str | None, ours: Sequence[str], **tags: Any) -> Answer:
        text = {FIELD: {self.trial.locale: revert.text(value, ours)}}
        data = revert.data(self.id, self.trial.client.sequence(), text, **tags)
        reply = self.trial.client.send(revert.TYPE, data)
        if reply.status in (204, 501):
            raise NotSupported("The CMS does not take asset.reverted.")
        return self.answer(reply)

    def answer(self, reply: Reply) -> Answer:
        """Errors: Failed for an answer that says nothing of the fields."""
        if reply.status == 404:
            return Answer(status=404, text=GONE, tags=GONE)
        expect(reply.taken, f"The endpoint answered {reply.status}: {reply}")
        fields = reply.json().get("fields") if reply.body.strip() else None
        expect(isinstance(fields, dict), f'The answer has no "fields": {reply}')
        assert isinstance(fields, dict)
        texts = fields.get(FIELD) or {}
        return Answer(status=reply.status, text=texts.get(self.trial.locale, {}), tags=fields.get("tags") or {})

    def read(self) -> Reading:
        return self.trial.editor.read(self.id)

    def text(self) -> str:
        return self.read().text(FIELD, self.trial.locale)

    def edit(self, value: str) -> None:
        self.trial.editor.edit(self.id, FIELD, self.trial.locale, value)

    def clear(self) -> None:
        self.trial.editor.clear(self.id, FIELD, self.trial.locale)


@dataclass
class Trial:
    client: Client
    editor: Editor
    locale: str
    races: int
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def upload(self) -> Asset:
        return Asset(self.editor.upload(f"conformance-{next(self._numbers)}.png", picture()), self)

    def page(self, **query: Any) -> LibraryPage:
        """Errors: NotSupported, Failed."""
        reply = self.client.send("library.page", PageQuery(**query).data())
        if reply.status in (204, 501):
            raise NotSupported("The CMS does not list its library.")
        expect(reply.taken, f"library.page was answered {reply.status}: {reply}")
        try:
            return read_page(reply.body, strict=True)
        except AnswerInvalid as err:
            raise Failed(str(err)) from err


def term(label: str) -> str:
    return f"conformance:{label.replace(' ', '-')}"


def picture() -> bytes:
    """A PNG that no other upload equals: some CMSes take the same bytes for the same asset."""
    width, height = 64, 48
    rows = b"".join(b"\x00" + os.urandom(width * 3) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
