"""The functions of the sample media library without HTTP: store an image with its hook, replace it."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tagger.asset import Context, Role
from tagger.demo.held_callbacks import HeldCallbacks
from tagger.demo.media_store import MediaStore, Writer
from tagger.demo.outbox import Outbox

# first bytes of a file → its type; WebP has its length in between
MEDIA_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF87a": "image/gif", b"GIF89a": "image/gif"}
MAX_BYTES = 32 << 20


class NotAnImage(Exception):
    """The bytes are not an image of a supported type."""


@dataclass(frozen=True, kw_only=True)
class Config:
    home: Path
    public_url: str  # where browsers and tagger reach this library, without a slash at the end
    hook_url: str  # tagger's `POST /v1/hooks/{site}`
    hook_secret: str
    callback_secrets: tuple[str, ...]  # newest first; during a rotation both are valid
    locales: tuple[str, ...] = ("en",)
    hosts: tuple[str, ...] = ()  # names by which it is reached, beside localhost and plain addresses

    def page_of(self, asset_id: str) -> str:
        """The address of tagger's own page of an image, for the people who review."""
        api, _, site = self.hook_url.partition("/v1/hooks/")
        return f"{api}/pages/asset?" + urlencode({"site": site, "id": asset_id})


class Library:
    """Shared by the pages and the JSON routes."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.files = config.home / "files"
        self.files.mkdir(parents=True, exist_ok=True)
        self.store = MediaStore(config.home / "library.sqlite", config.locales)
        self.outbox = Outbox(self.store, config.hook_url, config.hook_secret)
        self.holds = HeldCallbacks()

    def upload(self, content: bytes, filename: str, role: Role, title: str, caption: str, *, hold: bool = False) -> str:
        """Store an image and its hook. Returns the id of the new asset. `hold`: its callback waits for `HeldCallbacks.release`.

        If no title is given, the title is the file name, as in most CMSes. It is not a person's text. Errors: NotAnImage.
        """
        media_type = media_type_of(content)
        asset_id = secrets.token_hex(5)
        if hold:
            self.holds.hold(asset_id)
        self._store(asset_id, 1, content)
        name = Path(filename.replace("\\", "/")).name[:200] or "picture"
        texts: dict[str, tuple[str, Writer]] = {"title": (title, "person") if title else (name, "import")}
        if caption:
            texts["caption"] = (caption, "person")
        asset = {"id": asset_id, "filename": name, "media_type": media_type, "role": role, "created_ms": _now_ms()}
        context = Context(role=role, title=title or None, caption=caption or None)
        self.store.add(asset, texts, *self._hook("asset.created", asset_id, 1, context))
        self.outbox.notify()
        return asset_id

    def replace(self, asset_id: str, content: bytes) -> int:
        """Replace the image of an asset. Returns the new revision. Errors: NotAnImage, NoSuchAsset."""
        media_type = media_type_of(content)
        asset = self.store.asset(asset_id)
        revision: int = asset["revision"] + 1
        self._store(asset_id, revision, content)
        event = self._hook("asset.updated", asset_id, revision, Context(role=asset["role"]))
        self.store.replace(asset_id, media_type, *event, revision)
        self.outbox.notify()
        return revision

    def edit(
        self, asset_id: str, texts: Mapping[tuple[str, str], str], add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Store a person's change, with the hook that reports it to tagger. Errors: NoSuchAsset."""
        fields: dict[str, Any] = {"tags": {"added": list(add), "removed": list(remove)}} if add or remove else {}
        for (field, locale), value in texts.items():
            fields.setdefault(field, {})[locale] = {"value": value}
        data = {"asset": {"id": asset_id}, "by": "person", "fields": fields}
        message = {"type": "asset.edited", "data": data}
        event = f"evt_{asset_id}_{secrets.token_hex(8)}"
        self.store.edit(asset_id, texts, add, remove, (event, json.dumps(message).encode()) if fields else None)
        self.outbox.notify()

    def picture(self, asset_id: str, revision: int) -> Path:
        return self.files / f"{asset_id}-{revision}"

    def _store(self, asset_id: str, revision: int, content: bytes) -> None:
        with self.picture(asset_id, revision).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # the hook names these bytes, so they must be on the disk before it

    def _hook(self, kind: str, asset_id: str, revision: int, context: Context) -> tuple[str, bytes]:
        url = f"{self.config.public_url}/media/{asset_id}/{revision}"
        asset = {"id": asset_id, "revision": str(revision), "image": {"url": url}}
        message = {"type": kind, "data": {"asset": asset, "context": context.to_dict()}}
        return f"evt_{asset_id}_{revision}", json.dumps(message).encode()


def media_type_of(content: bytes) -> str:
    """The type from the bytes, never from the name that a browser sent. Errors: NotAnImage."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    media_type = next((kind for head, kind in MEDIA_TYPES.items() if content.startswith(head)), None)
    if media_type is None:
        raise NotAnImage
    return media_type


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
