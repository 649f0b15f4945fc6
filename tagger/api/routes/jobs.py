"""Jobs: accept, read, list, cancel; and `describe`, which waits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.convertors import PathConvertor, register_url_convertor

from tagger import serializers
from tagger.annotation import Action
from tagger.api import response_models
from tagger.api.deps import AppState, CallerDep, Cursor, SiteDep, StateDep, known_query
from tagger.api.image_follows import completed
from tagger.api.job_reading import check_size, check_whole_file, chosen_profile, read_job, unstored
from tagger.api.response_models import answered
from tagger.asset import Role
from tagger.cms.job_body import (
    ALL_FIELDS,
    JOB_EXAMPLE,
    METADATA_KEYS,
    AssetId,
    Caption,
    ContextIn,
    Fields,
    Locale,
    Revision,
    Title,
    Wanted,
)
from tagger.errors import BadRequest, Pointer
from tagger.ids import new_id
from tagger.job import JobRequest, JobStatus
from tagger.ledger import Accepted
from tagger.services.list_filters import check_verdict_reason
from tagger.site import Site

router = APIRouter(tags=["jobs"])


class _TextConvertor(PathConvertor):
    """Starlette's `path` stops at a line break, which an id may hold as any other character."""

    regex = "(?s:.*)"


register_url_convertor("text", _TextConvertor())

JOB_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/JobIn"}, "example": JOB_EXAMPLE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image", "job"],
                    "additionalProperties": False,
                    "properties": {
                        "image": {"type": "string", "format": "binary", "minLength": 1},
                        "job": {"$ref": "#/components/schemas/JobPart"},
                    },
                },
                "encoding": {"job": {"contentType": "application/json"}},
            },
        },
    }
}
# The query of `put_image` is the body of its job: what it does not know is refused, as an unknown key of JSON is.
PUT_QUERY = ("profile", "revision", "locale", "field", "role", "title", "caption", "contains_text", "lane", "metadata")
RECEIPT: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Accepted: the job is committed.",
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ReceiptOut"},
                "example": {
                    "id": "job_01J9Z3",
                    "status": "accepted",
                    "asset": {"id": "4711"},
                    "created_at": "2026-11-21T09:30:00.000Z",
                },
            }
        },
    }
}
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]


async def accepted_once(
    state: AppState, site: Site, key: str | None, fingerprint: bytes, accept: Callable[[], Awaitable[JSONResponse]]
) -> JSONResponse:
    """Run `accept`; with an Idempotency-Key, once: the same key answers the same, another body is refused."""
    if key is None:
        return await accept()
    digest = hashlib.sha256(fingerprint).hexdigest()
    ledger = state.ledger
    reply = await run_in_threadpool(ledger.begin_idempotent, site.id, key, digest)
    if reply is not None:
        body = json.loads(reply.body)
        return JSONResponse(body, status_code=reply.status, headers={**_whereabouts(body["id"]), "Idempotent-Replayed": "true"})
    try:
        response = await accept()
    except BaseException:
        await run_in_threadpool(ledger.abandon_idempotent, site.id, key)
        raise
    await run_in_threadpool(ledger.finish_idempotent, site.id, key, response.status_code, bytes(response.body))
    return response


def receipt(request: JobRequest, accepted: Accepted) -> JSONResponse:
    body = serializers.receipt(accepted.job_id, accepted.status, request.asset_id, accepted.created_ms)
    return JSONResponse(body, 202, headers=_whereabouts(accepted.job_id))


def _whereabouts(job_id: str) -> dict[str, str]:
    return {"Location": f"/v1/jobs/{job_id}", "Retry-After": "2"}


@router.post(
    "/v1/jobs",
    status_code=202,
    summary="Describe an image",
    openapi_extra=JOB_BODY,
    responses=RECEIPT,
    dependencies=[known_query()],
)
async def create_job(request: Request, state: StateDep, site: SiteDep, key: IdempotencyKey = None) -> JSONResponse:
    wanted, data = await read_job(request, state, site)

    async def accept() -> JSONResponse:
        return receipt(wanted, await run_in_threadpool(state.ingest.accept, wanted, data))

    fingerprint = json.dumps(wanted.to_dict(), sort_keys=True).encode()
    return await accepted_once(state, site, key, fingerprint, accept)


@router.put(
    "/v1/assets/{asset_id:text}/image",
    status_code=202,
    summary="Send an image's raw bytes",
    responses=RECEIPT,
    dependencies=[known_query(*PUT_QUERY)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"image/*": {"schema": {"type": "string", "format": "binary", "minLength": 1}}},
        }
    },
)
async def put_image(
    asset_id: AssetId,
    request: Request,
    state: StateDep,
    site: SiteDep,
    profile: str | None = None,
    revision: Annotated[Revision, Query()] = None,
    locale: Annotated[list[Locale] | None, Query(max_length=16)] = None,
    field: Annotated[Fields, Query()] = ALL_FIELDS,
    role: Role = "unknown",
    title: Annotated[Title, Query()] = None,
    caption: Annotated[Caption, Query()] = None,
    contains_text: bool | None = None,
    lane: Literal["upload", "backfill"] = "upload",
    metadata: Annotated[list[str] | None, Query(description="`key=value`; repeat for several.", max_length=METADATA_KEYS)] = None,
    key: IdempotencyKey = None,
) -> JSONResponse:
    check_whole_file(request.headers)
    data = await request.body()
    check_size(data, state)
    context = ContextIn(role=role, title=title, caption=caption, contains_text=contains_text)
    body = Wanted(locales=locale, fields=field, context=context, lane=lane, metadata=_pairs(metadata or []))
    asked = body.request(site, asset_id, revision, unstored(data), chosen_profile(state, site, profile))

    async def accept() -> JSONResponse:
        words = await run_in_threadpool(state.ledger.hook_words, site.id, asset_id, revision)
        whole = completed(body, set(request.query_params), words)
        chosen = chosen_profile(state, site, profile or whole.profile)
        wanted = whole.request(site, asset_id, revision, asked.source, chosen)
        return receipt(wanted, await run_in_threadpool(state.ingest.accept, wanted, data))

    fingerprint = json.dumps(asked.to_dict(), sort_keys=True).encode()  # a hook between two copies of a request changes neither
    return await accepted_once(state, site, key, fingerprint, accept)


def _pairs(texts: list[str]) -> dict[str, str]:
    """Errors: RequestValidationError that points at `metadata`; BadRequest for a text without `=`, and for a key given twice."""
    pairs = [text.partition("=") for text in texts]
    keys = [key for key, _, _ in pairs]
    for key, equals, _ in pairs:
        fault = "is no key=value" if not equals else "given more than once" if keys.count(key) > 1 else ""
        if fault:
            pointer = Pointer(pointer="/metadata/" + key.replace("~", "~0").replace("/", "~1"), detail=fault)
            raise BadRequest(f"{pointer.pointer}: {fault}", errors=(pointer,))
    try:
        return Wanted.model_validate({"metadata": {key: value for key, _, value in pairs}}).metadata
    except ValidationError as err:
        raise RequestValidationError([{**e, "loc": ("query", *e["loc"])} for e in err.errors(include_url=False)]) from None


@router.post(
    "/v1/describe",
    summary="Describe an image and wait for the texts",
    description="Goes through the upload lane like any job and is not delivered to the CMS. The API waits by polling the "
    "ledger. After that time it answers 202 with the job, which continues.",
    dependencies=[known_query("wait")],
    openapi_extra=JOB_BODY,
    responses={200: {"model": response_models.JobOut, "description": "The job has ended."}, **RECEIPT},
)
async def describe(
    request: Request,
    state: StateDep,
    site: SiteDep,
    wait: Annotated[float | None, Query(gt=0, description="Seconds to wait, at most the configured limit.")] = None,
) -> JSONResponse:
    wanted, data = await read_job(request, state, site)
    wanted = replace(wanted, lane="upload", deliver=False, event_id=new_id("req"))
    accepted = await run_in_threadpool(state.ingest.accept, wanted, data)
    limit = state.settings.describe_wait_seconds
    status = await state.waiter.wait(accepted.job_id, min(wait or limit, limit))
    if status is None:
        return receipt(wanted, accepted)
    return JSONResponse(await run_in_threadpool(_job_body, state, accepted.job_id))


def _job_body(state: AppState, job_id: str) -> dict[str, Any]:
    job = state.ledger.job(job_id)
    return serializers.job(job, state.ledger.delivery(job.delivery_id) if job.delivery_id else None)


@router.get(
    "/v1/jobs/{job_id}",
    summary="One job, with its texts, its delivery and its error",
    responses=answered(response_models.JobOut),
    response_model=None,
)
def get_job(job_id: str, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    body = _job_body(state, job_id)
    caller.may_see(body["site"], f"No job {job_id!r}.")
    return body


@router.get("/v1/jobs", summary="Jobs, newest first", responses=answered(response_models.JobList), response_model=None)
def list_jobs(
    state: StateDep,
    caller: CallerDep,
    asset: str | None = None,
    status: JobStatus | None = None,
    verdict: Annotated[Action | None, Query(description="Only with this verdict. `review`: a person must decide.")] = None,
    reason: Annotated[str | None, Query(description="Only if the verdict has this reason, e.g. `low_score`.")] = None,
    site: Annotated[str | None, Query(description="Only of this site. The operator's key reads all sites.")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    check_verdict_reason(reason)
    page = state.ledger.jobs(
        site_id=caller.narrowed(site), asset_id=asset, status=status, verdict=verdict, reason=reason, cursor=cursor, limit=limit
    )
    return {"data": [serializers.job(job, None) for job in page.data], "next_cursor": page.next_cursor}


@router.post(
    "/v1/jobs/{job_id}/cancel",
    summary="Cancel a job that has not ended",
    responses=answered(response_models.JobOut),
    response_model=None,
)
def cancel_job(job_id: str, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    caller.may_see(state.ledger.job(job_id).site_id, f"No job {job_id!r}.")
    if state.ledger.cancel(job_id) == "cancelled":
        state.ingest.tell_of(job_id)
    return _job_body(state, job_id)
