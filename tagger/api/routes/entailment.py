"""`POST /v1/entailment`: does an English text describe an image?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from tagger.api import response_models
from tagger.api.deps import AppState, SiteDep, StateDep, known_query
from tagger.api.job_reading import MOST_PARTS, check_parts, check_size, chosen_profile, unstored
from tagger.api.routes.jobs import RECEIPT, receipt
from tagger.api.shapes import STATEMENT_EXAMPLE, StatementIn
from tagger.api.synchronous import ask, unanswered
from tagger.asset import ImageSource
from tagger.cms.job_body import BOM, ImageIn, decode_base64
from tagger.errors import BadRequest, Pointer
from tagger.ids import new_id
from tagger.job import Job, JobRequest
from tagger.judge import hypothesis
from tagger.prediction import EntailmentPrediction
from tagger.services.checks_offered import require_checks

router = APIRouter(tags=["entailment"])


BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/StatementIn"}, "example": STATEMENT_EXAMPLE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image", "text"],
                    "additionalProperties": False,
                    "properties": {
                        "image": {"type": "string", "format": "binary", "minLength": 1},
                        "text": {"type": "string", "maxLength": 5000},
                        "profile": {"type": "string"},
                    },
                }
            },
        },
    }
}


@router.post(
    "/v1/entailment",
    summary="Say whether an English text describes an image",
    description="Goes through the upload lane and waits. After that time it answers 202 with the job, which continues. "
    "`result` is yes, maybe or no; `action` is the decision of the profile; `warnings` name words that pixels cannot show.",
    dependencies=[known_query("wait")],
    openapi_extra=BODY,
    responses={200: {"model": response_models.EntailmentOut}, **RECEIPT},
)
async def entailment(
    request: Request,
    state: StateDep,
    site: SiteDep,
    wait: Annotated[float | None, Query(gt=0, description="Seconds to wait, at most the configured limit.")] = None,
) -> JSONResponse:
    asked, data = await _read(request, state)
    await run_in_threadpool(require_checks, state.ledger, state.settings, "upload")
    unseeable = hypothesis.check(asked.text)
    source = unstored(data) if data is not None else ImageSource(kind="url", location=str(asked.image.url))
    profile = chosen_profile(state, site, asked.profile)
    wanted = check_request(site.id, source, asked.text, profile)
    limit = state.settings.describe_wait_seconds
    accepted, job = await ask(state, wanted, data, min(wait or limit, limit))
    if job is None:
        return receipt(wanted, accepted)
    answer = answer_of(job)
    if answer is None:
        return unanswered(job, request.scope.get("tagger.request_id", ""))
    return JSONResponse(_rendered(job, answer, unseeable))


def check_request(site_id: str, source: ImageSource, text: str, profile: str) -> JobRequest:
    """A job that only checks. Its asset is its own, so it never stands in the way of words for the real one."""
    return JobRequest(
        site_id=site_id,
        asset_id=f"check-{new_id('req')}",
        source=source,
        profile=profile,
        fields=(),
        check_text=text,
        deliver=False,
    )


def answer_of(job: Job) -> EntailmentPrediction | None:
    return job.description.checks[0] if job.description is not None and job.description.checks else None


def _rendered(job: Job, answer: EntailmentPrediction, unseeable: tuple[str, ...]) -> dict[str, Any]:
    assert job.description is not None
    return {
        "id": job.id,
        "text": answer.text,
        "result": answer.answer,
        "confidence": max(answer.yes, answer.maybe, answer.no),
        "scores": {"yes": answer.yes, "maybe": answer.maybe, "no": answer.no},
        "action": job.description.verdict.action,
        "model": answer.model,
        "warnings": [
            {"code": "not_visible", "word": word, "detail": f"No pixel can show whether something is {word}."}
            for word in unseeable
        ],
        "timings_ms": dict(job.description.timings_ms),
    }


async def _read(request: Request, state: AppState) -> tuple[StatementIn, bytes | None]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return await run_in_threadpool(_read_json, state, await request.body())
    async with request.form(max_files=1, max_fields=MOST_PARTS) as form:
        check_parts(form, ("image", "text", "profile"))
        upload, text, profile = form.get("image"), form.get("text"), form.get("profile")
        if not isinstance(upload, UploadFile) or not isinstance(text, str):
            raise BadRequest(
                "A multipart check has a file part `image` and a part `text`.",
                errors=(Pointer(pointer="/image"), Pointer(pointer="/text")),
            )
        data = await upload.read(state.settings.max_body_bytes + 1)
    check_size(data, state)
    image = ImageIn(url="https://upload.invalid/")  # stands in for the bytes
    return _checked({"text": text, "image": image, "profile": profile if isinstance(profile, str) else None}), data


def _read_json(state: AppState, content: bytes) -> tuple[StatementIn, bytes | None]:
    """Off the event loop, as decoding a large picture takes a while."""
    asked = _checked(content)
    encoded = asked.image.base64
    return asked, None if encoded is None else decode_base64(encoded, state.settings.max_body_bytes)


def _checked(given: bytes | dict[str, Any]) -> StatementIn:
    try:
        return (
            StatementIn.model_validate_json(given.removeprefix(BOM))
            if isinstance(given, bytes)
            else StatementIn.model_validate(given)
        )
    except ValidationError as err:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in err.errors(include_url=False)]) from None
