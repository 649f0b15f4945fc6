"""The JSON routes of the sample media library: tagger's callback, and a small API for the demo and the tests."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ValidationError

from tagger.asset import Role
from tagger.demo import listing, receiver
from tagger.demo.library import MAX_BYTES, Library, NotAnImage
from tagger.demo.media_store import TEXT_FIELDS, NoSuchAsset
from tagger.errors import SignatureInvalid
from tagger.net import signing

router = APIRouter()

MAX_CALLBACK_BYTES = 256 << 10


class Edit(BaseModel):
    """What a person changed: field → locale → text, and tags by their label."""

    fields: dict[str, dict[str, str]] = {}
    add_tags: list[str] = []
    remove_tags: list[str] = []


def library_of(request: Request) -> Library:
    library: Library = request.app.state.library
    return library


async def read_body(request: Request, limit: int) -> bytes:
    """Errors: HTTPException 413, before more than the limit is read."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > limit:
            raise HTTPException(413, "The body is too large.")
    return bytes(parts)


@router.post("/tagger/callback")
async def callback(request: Request) -> Response:
    library = library_of(request)
    content = await read_body(request, MAX_CALLBACK_BYTES)
    try:
        delivery = signing.verify(library.config.callback_secrets, request.headers, content, time.time())
    except SignatureInvalid as err:
        return JSONResponse({"detail": str(err)}, status_code=401)
    try:
        kind = receiver.Envelope.model_validate_json(content).type
        if kind in ("site.probe", "library.page"):
            return await run_in_threadpool(_told, library, kind, content)
        if kind not in ("asset.described", "asset.failed", receiver.REVERTED):
            return Response(status_code=204)
        message = receiver.Message.model_validate_json(content)
    except ValidationError as err:
        return JSONResponse({"detail": f"{err.error_count()} parts of the message are not as agreed."}, status_code=422)
    if not await library.holds.pass_through(message.data.asset.id):
        return JSONResponse({"detail": "The asset is held."}, status_code=503, headers={"Retry-After": "1"})
    return JSONResponse(await run_in_threadpool(receiver.apply, library.store, message.data, delivery, kind))


def _told(library: Library, kind: str, content: bytes) -> Response:
    """Errors: ValidationError for a query that is not as agreed."""
    if kind == "site.probe":
        return JSONResponse(listing.capabilities(library.config.locales))
    query = listing.Query.model_validate(json.loads(content).get("data", {}))
    return JSONResponse(listing.page(library.store, library.config.public_url, query))


@router.put("/api/assets", status_code=201)
async def upload(
    request: Request,
    filename: str,
    role: Role = "unknown",
    title: str = "",
    caption: str = "",
    hold: Annotated[bool, Query(description="let the callback wait until it is released")] = False,
) -> dict[str, Any]:
    """The body is the picture."""
    library = library_of(request)
    content = await read_body(request, MAX_BYTES)
    try:
        asset_id = await run_in_threadpool(library.upload, content, filename, role, title, caption, hold=hold)
    except NotAnImage as err:
        raise HTTPException(415, "The file is not a JPEG, PNG, WebP or GIF image.") from err
    return show(library, asset_id)


@router.put("/api/assets/{asset_id}/image")
async def replace(request: Request, asset_id: str) -> dict[str, Any]:
    library = library_of(request)
    content = await read_body(request, MAX_BYTES)
    try:
        await run_in_threadpool(library.replace, asset_id, content)
    except NotAnImage as err:
        raise HTTPException(415, "The file is not a JPEG, PNG, WebP or GIF image.") from err
    except NoSuchAsset as err:
        raise HTTPException(404, "There is no such asset.") from err
    return show(library, asset_id)


@router.get("/api/assets")
def assets(request: Request, limit: Annotated[int, Query(ge=1, le=10_000)] = 200) -> dict[str, Any]:
    return {"data": library_of(request).store.assets(limit)}


@router.get("/api/assets/{asset_id}")
def asset(request: Request, asset_id: str) -> dict[str, Any]:
    return show(library_of(request), asset_id)


@router.post("/api/assets/{asset_id}/edit")
def edit(request: Request, asset_id: str, change: Annotated[Edit, Body()]) -> dict[str, Any]:
    library = library_of(request)
    texts = {(field, locale): value for field, locales in change.fields.items() for locale, value in locales.items()}
    check_places(library, texts)
    try:
        library.edit(asset_id, texts, change.add_tags, change.remove_tags)
    except NoSuchAsset as err:
        raise HTTPException(404, "There is no such asset.") from err
    return show(library, asset_id)


@router.delete("/api/assets/{asset_id}", status_code=204)
def delete(request: Request, asset_id: str) -> None:
    try:
        library_of(request).store.delete(asset_id)
    except NoSuchAsset as err:
        raise HTTPException(404, "There is no such asset.") from err


@router.post("/api/assets/{asset_id}/hold")
def hold(request: Request, asset_id: str) -> dict[str, str]:
    library_of(request).holds.hold(asset_id)
    return {"callback": library_of(request).holds.state(asset_id)}


@router.post("/api/assets/{asset_id}/release")
def release(request: Request, asset_id: str) -> dict[str, str]:
    library_of(request).holds.release(asset_id)
    return {"callback": library_of(request).holds.state(asset_id)}


@router.get("/api/writes")
def writes(request: Request) -> dict[str, Any]:
    """Effective writes: `effective` in total, `deliveries` that caused them, `by_field` for each asset, field and locale."""
    return library_of(request).store.writes()


@router.get("/api/outbox")
def outbox(request: Request) -> dict[str, int]:
    return {"unsent": library_of(request).store.unsent()}


@router.get("/media/{asset_id}/{revision}")
def media(request: Request, asset_id: str, revision: int) -> Response:
    """The picture itself."""
    library = library_of(request)
    try:
        asset = library.store.asset(asset_id)
    except NoSuchAsset as err:
        raise HTTPException(404, "This image does not exist.") from err
    path = library.picture(asset["id"], revision)
    if not path.is_file():
        raise HTTPException(404, "This image does not exist.")
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}
    return FileResponse(path, media_type=asset["media_type"], headers=headers)


def show(library: Library, asset_id: str) -> dict[str, Any]:
    try:
        return {**library.store.asset(asset_id), "callback": library.holds.state(asset_id)}
    except NoSuchAsset as err:
        raise HTTPException(404, "There is no such asset.") from err


def check_places(library: Library, texts: Mapping[tuple[str, str], str]) -> None:
    """Errors: HTTPException 422 for a field or locale that this library does not have, or a text that is too long."""
    for (field, locale), value in texts.items():
        if field not in TEXT_FIELDS or locale not in library.config.locales or len(value) > receiver.MAX_TEXT:
            raise HTTPException(422, f"{field!r} in {locale!r} cannot have this value.")
