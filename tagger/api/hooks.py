"""Hooks: a CMS tells of a new or changed image, signed. The same hook twice is the same job."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from tagger import signing
from tagger.api.deps import Parts, PartsDep
from tagger.api.jobs import receipt
from tagger.cms import standard
from tagger.errors import NotFound, SignatureInvalid
from tagger.site import Site

router = APIRouter(tags=["hooks"])


@router.post("/v1/hooks/{site_id}", status_code=202, summary="A signed hook of a CMS")
async def hook(site_id: str, request: Request, parts: PartsDep) -> JSONResponse:
    site = await run_in_threadpool(_known, parts, site_id)
    body = await request.body()
    headers = {name: value for name, value in request.headers.items() if name.startswith("webhook-")}
    signing.verify(site.hook_secrets, headers, body, now_s=int(time.time()))
    wanted, warnings = standard.job_request(standard.parse_hook(body, headers), site, parts.profiles)
    del warnings
    return receipt(wanted, await run_in_threadpool(parts.ingest.accept, wanted))


def _known(parts: Parts, site_id: str) -> Site:
    """An unknown site answers like a wrong signature: a stranger learns nothing from the difference."""
    try:
        site = parts.ledger.get_site(site_id)
    except NotFound:
        raise SignatureInvalid("The hook's signature does not fit.") from None
    if not site.hook_secrets:
        raise SignatureInvalid("The hook's signature does not fit.")
    return site
