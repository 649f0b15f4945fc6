"""The generic signed hook: what our plugins, the sample media library and anyone's own code send to `POST /v1/hooks/{site}`.

    {"type": "asset.created", "data": {"asset": {"id": "4711", "revision": "1", "image": {"url": "https://…"}},
                                       "context": {"role": "informative", "title": null}, "metadata": {"post": "88"}}}

Signed by Standard Webhooks with one of the site's hook secrets; `webhook-id` is the event's id. `data` is the body of
`POST /v1/jobs`, read by the same model; keys that it does not know are passed over. docs/protocol.md has every event. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tagger.asset import ImageSource
from tagger.cms.base import Deletion, Edit, HookEvent, ImageFollows
from tagger.cms.generic.edit import EditIn
from tagger.cms.job_body import AssetId, JobIn, JobPart, plain_json, pointers
from tagger.errors import BadRequest, Pointer
from tagger.site import Site

DELETED, EDITED = "asset.deleted", "asset.edited"
ACTED_ON = frozenset({"asset.created", "asset.updated"})
ASSET_ID: TypeAdapter[str] = TypeAdapter(AssetId)


def parse_hook(site: Site, event_id: str, body: bytes) -> HookEvent | None:
    """The job that a hook asks for, or what it tells of an asset; None for any other event. Where the hook names no
    profile and no locales, they are the site's. The caller checks that a profile other than the site's exists.

    Errors: BadRequest that points at the fault. The caller has verified the signature.
    """
    try:
        message = json.loads(plain_json(body))
    except (ValueError, RecursionError) as err:
        raise _bad("", "The body is not JSON.") from err
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(kind, str) or not kind:
        raise _bad("/type", "`type` must be a text.")
    if kind not in ACTED_ON and kind not in (DELETED, EDITED):
        return None
    data = _object(message, "data", "/data")
    asset = _object(data, "asset", "/data/asset")
    if kind == DELETED:
        return Deletion(asset_id=_asset_id(asset))
    if kind == EDITED:
        return _edit(_asset_id(asset), data)
    image = _object(asset, "image", "/data/asset/image")
    if image.get("send") is True and image.get("url") is None:
        return _follows(data)
    if not isinstance(image.get("url"), str) or image.get("base64") is not None:
        raise _bad(
            "/data/asset/image/url", "A hook needs the image's `url` or `send`; send bytes with PUT /v1/assets/{id}/image."
        )
    wanted = _checked(data)
    source = ImageSource(kind="url", location=str(wanted.asset.image.url))
    request = wanted.request(site, wanted.asset.id, wanted.asset.revision, source, wanted.profile or site.profile)
    return replace(request, event_id=event_id)


def _edit(asset_id: str, data: Mapping[str, Any]) -> Edit:
    try:
        return EditIn.model_validate(data).edit(asset_id)
    except ValidationError as err:
        raise _refusal(err, "/data") from None


def _follows(data: Mapping[str, Any]) -> ImageFollows:
    """What is said of the image is checked now: the request that brings the bytes must not be refused for it."""
    try:
        said = JobPart.model_validate(data, extra="ignore")
    except ValidationError as err:
        raise _refusal(err, "/data") from None
    words = said.model_dump(mode="json", exclude={"asset"}, exclude_unset=True, exclude_none=True)
    return ImageFollows(asset_id=said.asset.id, revision=said.asset.revision, words=words)


def _checked(data: Mapping[str, Any]) -> JobIn:
    try:
        return JobIn.model_validate(data, extra="ignore")  # a CMS may say more than we know
    except ValidationError as err:
        raise _refusal(err, "/data") from None


def _asset_id(asset: Mapping[str, Any]) -> str:
    try:
        return ASSET_ID.validate_python(asset.get("id"))
    except ValidationError as err:
        raise _refusal(err, "/data/asset/id") from None


def _refusal(err: ValidationError, prefix: str) -> BadRequest:
    faults = pointers(err, prefix)
    return BadRequest("The hook is not valid: " + "; ".join(f"{p.pointer}: {p.detail}" for p in faults[:5]), errors=faults)


def _bad(pointer: str, detail: str) -> BadRequest:
    return BadRequest(f"The hook is not valid: {detail}", errors=(Pointer(pointer=pointer, detail=detail),))


def _object(parent: Any, key: str, pointer: str) -> Mapping[str, Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, dict):
        raise _bad(pointer, f"`{key}` must be an object.")
    return value
