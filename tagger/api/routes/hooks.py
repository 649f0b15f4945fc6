"""Hooks: a CMS tells of a new or changed image, signed. The same hook twice is the same job."""

from __future__ import annotations

import json
import time
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from tagger.api.deps import AppState, StateDep
from tagger.api.job_reading import chosen_profile
from tagger.api.messages import SIGNATURE
from tagger.api.routes.jobs import RECEIPT, receipt
from tagger.cms.base import Deletion, Edit, ImageFollows
from tagger.cms.job_body import plain_json
from tagger.cms.registry import hook_parser
from tagger.errors import BodyTooLarge, NotFound, SignatureInvalid
from tagger.net import signing
from tagger.site import Site

log = structlog.get_logger()
router = APIRouter(tags=["hooks"])

DECOY = (signing.new_secret(),)

MAX_HOOK_BYTES = 1 << 20
IGNORED = "Tagger-Ignored"  # header of the answer to a hook of an unknown type
SHOWN_CHARS = 100
BODY: dict[str, Any] = {
    "parameters": SIGNATURE,
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Hook"}}}},
}


@router.post(
    "/v1/hooks/{site_id}",
    status_code=202,
    summary="A signed hook of a CMS",
    openapi_extra=BODY,
    responses={
        **RECEIPT,
        204: {
            "description": "A deletion, which erases what is known of the asset; an edit, after which the field is the editor's; "
            "a picture whose bytes follow; or an event of a type that tagger does not know.",
            "headers": {IGNORED: {"description": "Names the unknown type.", "schema": {"type": "string"}}},
        },
    },
)
async def hook(site_id: str, request: Request, state: StateDep) -> Response:
    site = await run_in_threadpool(_known, state, site_id)
    body = await _small_body(request)
    # An unknown site is measured against a secret that nobody has: a stranger learns nothing from the difference.
    secrets = DECOY if site is None else site.hook_secrets or DECOY
    event_id = signing.verify(secrets, request.headers, body, time.time())
    if site is None:
        raise SignatureInvalid
    wanted = hook_parser(site.cms)(site, event_id, body)
    if isinstance(wanted, Deletion):
        await run_in_threadpool(state.ingest.erase, site.id, wanted.asset_id)
        return Response(status_code=204)
    if isinstance(wanted, Edit):
        await run_in_threadpool(state.ledger.record_edit, site.id, wanted)
        return Response(status_code=204)
    if isinstance(wanted, ImageFollows):  # the job is made of the bytes, when they come, and of these words
        chosen_profile(state, site, wanted.words.get("profile"))
        await run_in_threadpool(state.ledger.keep_hook_words, site.id, wanted)
        return Response(status_code=204)
    if wanted is None:
        return _ignored(site, event_id, body)
    if wanted.profile != site.profile:
        state.catalog.require(wanted.profile)
    return receipt(wanted, await run_in_threadpool(state.ingest.accept, wanted))


def _ignored(site: Site, event_id: str, body: bytes) -> Response:
    """A hook of a type that tagger does not know: the CMS would otherwise take the 204 for done."""
    try:
        kind = str(json.loads(plain_json(body))["type"])[:SHOWN_CHARS]
    except (ValueError, KeyError, TypeError, RecursionError):  # the hooks of another CMS have another form
        kind = ""
    log.warning("hook.ignored", site=site.id, event_id=event_id, type=kind)
    return Response(status_code=204, headers={IGNORED: f"unknown type {json.dumps(kind)}"})


async def _small_body(request: Request) -> bytes:
    """A hook names an image and never holds one; whoever sends more has not shown a signature yet."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_HOOK_BYTES:
            raise BodyTooLarge(
                f"The hook is larger than {MAX_HOOK_BYTES} bytes.", "Send the image's URL in the hook, not the image."
            )
    return bytes(body)


def _known(state: AppState, site_id: str) -> Site | None:
    try:
        return state.ledger.get_site(site_id)
    except NotFound:
        return None
