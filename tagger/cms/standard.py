"""The generic signed hook: what our plugins, the sample media library and anyone's own code send to `POST /v1/hooks/{site}`.

    {"type": "asset.created", "data": {"asset": {"id": "4711", "revision": "1", "image": {"url": "https://…"}},
                                       "context": {"role": "informative", "title": null}, "metadata": {"post": "88"}}}

Signed by Standard Webhooks with one of the site's hook secrets; `webhook-id` is the event's id. Pure: no I/O.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import urlsplit

from tagger.annotation import Field
from tagger.asset import Context, ImageSource, Role
from tagger.errors import BadRequest, Pointer
from tagger.job import JobRequest
from tagger.site import Site

DELETED = "asset.deleted"
ACTED_ON = frozenset({"asset.created", "asset.updated"})
ID_CHARS = 255
URL_CHARS = 4_096
TEXT_CHARS = 2_000  # of a context's title or caption that we keep
METADATA_KEYS = 20
ROLES = frozenset(get_args(Role))
FIELDS = frozenset(get_args(Field))


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """An asset is gone from its CMS, and all that is known of it is to go too."""

    asset_id: str


def parse_hook(site: Site, event_id: str, body: bytes) -> JobRequest | Deletion | None:
    """The job that a hook asks for, in the site's profile and locales, or what it says is gone; None for any other event.

    Errors: BadRequest that points at the fault. The caller has verified the signature.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise _bad("", "The body is not JSON.") from err
    kind = _text(message, "type", "/type", 100)
    if kind not in ACTED_ON and kind != DELETED:
        return None
    data = _object(message, "data", "/data")
    asset = _object(data, "asset", "/data/asset")
    if kind == DELETED:
        return Deletion(asset_id=_id(asset, "id", "/data/asset/id"))
    revision = asset.get("revision")
    return JobRequest(
        site_id=site.id,
        asset_id=_id(asset, "id", "/data/asset/id"),
        asset_revision=None if revision is None else _id(asset, "revision", "/data/asset/revision"),
        source=ImageSource(kind="url", location=_url(_object(asset, "image", "/data/asset/image"))),
        event_id=event_id,
        profile=site.profile,
        locales=site.locales,
        fields=_fields(data.get("fields")),
        context=_context(data.get("context")),
        metadata=_metadata(data.get("metadata")),
    )


def _bad(pointer: str, detail: str) -> BadRequest:
    return BadRequest(f"The hook is not valid: {detail}", errors=(Pointer(pointer=pointer, detail=detail),))


def _object(parent: Any, key: str, pointer: str) -> Mapping[str, Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, dict):
        raise _bad(pointer, f"`{key}` must be an object.")
    return value


def _text(parent: Any, key: str, pointer: str, limit: int) -> str:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise _bad(pointer, f"`{key}` must be a text of 1 to {limit} characters.")
    try:
        value.encode()
    except UnicodeEncodeError as err:  # JSON can carry half of a surrogate pair; no database takes it
        raise _bad(pointer, f"`{key}` is not valid Unicode.") from err
    if "\x00" in value:
        raise _bad(pointer, f"`{key}` holds a NUL character.")
    return value


def _id(parent: Mapping[str, Any], key: str, pointer: str) -> str:
    """Ids and revisions are texts; most CMSes count in integers, so those are taken too."""
    value = parent.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
        return str(value)
    return _text(parent, key, pointer, ID_CHARS)


def _url(image: Mapping[str, Any]) -> str:
    pointer = "/data/asset/image/url"
    url = _text(image, "url", pointer, URL_CHARS)
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as err:
        raise _bad(pointer, "`url` is not a URL.") from err
    if parts.scheme not in ("http", "https") or not host:
        raise _bad(pointer, "`url` must be an absolute http or https URL.")
    return url


def _fields(value: Any) -> tuple[Field, ...]:
    if value is None:
        return ("alt_text", "caption", "tags")
    if not isinstance(value, list) or not value or not all(isinstance(v, str) and v in FIELDS for v in value):
        raise _bad("/data/fields", f"`fields` must list some of {', '.join(sorted(FIELDS))}.")
    return tuple(dict.fromkeys(value))


def _context(value: Any) -> Context:
    if value is None:
        return Context()
    if not isinstance(value, dict):
        raise _bad("/data/context", "`context` must be an object.")
    role = value.get("role", "unknown")
    if not isinstance(role, str) or role not in ROLES:
        raise _bad("/data/context/role", f"`role` must be one of {', '.join(sorted(ROLES))}.")
    contains_text = value.get("contains_text")
    if contains_text is not None and not isinstance(contains_text, bool):
        raise _bad("/data/context/contains_text", "`contains_text` must be true, false or null.")
    return Context(
        role=role,  # type: ignore[arg-type]
        title=_context_text(value, "title"),
        caption=_context_text(value, "caption"),
        contains_text=contains_text,
    )


def _context_text(context: Mapping[str, Any], key: str) -> str | None:
    if context.get(key) in (None, ""):
        return None
    return _text(context, key, f"/data/context/{key}", TEXT_CHARS)


def _metadata(value: Any) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > METADATA_KEYS:
        raise _bad("/data/metadata", f"`metadata` must be an object of at most {METADATA_KEYS} texts.")
    return {
        _text({"key": key}, "key", "/data/metadata", ID_CHARS): _text(value, key, "/data/metadata", TEXT_CHARS) for key in value
    }
