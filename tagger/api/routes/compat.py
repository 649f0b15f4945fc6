"""Routes for callers of the services that tagger replaces. Off by default; `compat_site` turns them on for one site.

They take no key, so only allow-listed addresses may call (`callers.py`). Their callers publish what they get, so only words that
tagger itself would publish are answered. Each goes through the queue like any other job, and
answers 503 after 25 seconds, never 202: those callers know no other answer.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from tagger.annotation import Tag
from tagger.api.callers import check_caller, check_page
from tagger.api.deps import AppState, StateDep
from tagger.api.job_reading import unstored
from tagger.api.routes.entailment import answer_of, check_request
from tagger.api.synchronous import ask, ending, loaded
from tagger.asset import ImageSource
from tagger.cms.job_body import decode_base64
from tagger.errors import BadRequest, ErrorInfo, TaggerError
from tagger.job import Job, JobRequest
from tagger.judge import hypothesis
from tagger.net.url import parse_url
from tagger.prediction import EntailmentPrediction
from tagger.services.checks_offered import require_checks
from tagger.settings import Settings

WAIT_SECONDS = 25.0
TEXT_CHARS, URL_CHARS = 5_000, 4_096
TYPES = ("ecommerce", "product", "marketing", "news", "social", "general")
LABELS = ("Yes", "No", "Maybe")  # in the order of `details`
CHINESE = ("匹配", "不匹配", "部分相关")


class Refused(Exception):
    """An answer in the old services' own shape of an error."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.response = JSONResponse({"error": error}, status, headers={"Retry-After": "2"} if status == 503 else None)

    @classmethod
    def by(cls, info: ErrorInfo, status: int | None = None) -> Refused:
        """One text for all of an error: these callers log it, and whoever reads the log needs the remedy."""
        return cls(status or info.status, f"{info.code}: {info.detail} {info.remedy}")


class OldRoute(APIRoute):
    """Whatever is wrong with a request, these callers read one shape: `{"error": …}`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except Refused as refused:
                return refused.response
            except TaggerError as err:
                return Refused.by(err.info()).response
            except HTTPException as err:  # a form that does not parse
                return Refused(err.status_code, str(err.detail)).response

        return handled


def from_allowed(request: Request, state: StateDep) -> None:
    check_caller(request, state.settings)
    check_page(request, state.settings)


router = APIRouter(tags=["existing callers"], dependencies=[Depends(from_allowed)], include_in_schema=False, route_class=OldRoute)


@router.post("/api/generate-caption")
async def generate_caption(request: Request, state: StateDep) -> JSONResponse:
    body = await run_in_threadpool(loaded, await request.body())
    image, kind = (body or {}).get("image"), (body or {}).get("format", "base64")
    if not isinstance(image, str) or not image or kind not in ("base64", "url"):
        raise Refused(400, "image and format (base64 or url) are needed")
    if kind == "url":
        source, data = _given(state, url=image)
    else:
        source, data = await run_in_threadpool(_decoded, image, state)
    job = await _asked(state, _request(state, source, fields=("caption",)), data)
    return JSONResponse({"caption": _text(job, "caption", state.settings)})


@router.post("/api/tag-image")
async def tag_image(request: Request, state: StateDep) -> JSONResponse:
    form, sent = await _form(request, state)
    kind = form.get("type", "")
    source, data = _given(state, data=_file(sent))
    job = await _asked(
        state, _request(state, source, fields=("caption", "tags"), profile=kind if kind in TYPES else "general"), data
    )
    stored = await run_in_threadpool(state.ledger.vector_of, job.site_id, job.asset_id)
    return JSONResponse(
        {
            "tags": [
                {"tag": f"{tag.category}:{tag.id}", "confidence": tag.score}
                for value in _values(job, "tags", state.settings)
                if isinstance(value, tuple)
                for tag in value
            ],
            "description": _text(job, "caption", state.settings),
            "embedding": [] if stored is None else list(struct.unpack(f"<{len(stored.vector) // 2}e", stored.vector)),
        }
    )


@router.post("/predict")
async def predict(request: Request, state: StateDep) -> JSONResponse:
    form, data = await _form(request, state)
    answer = await _checked(state, form.get("text"), "No text", data=_file(data))
    scores = _scores(answer)
    index = scores.index(max(scores))
    return JSONResponse({"result": index, "label": LABELS[index], "confidence": scores[index], "details": scores})


@router.post("/api/v1/visual_entailment")
async def visual_entailment(request: Request, state: StateDep) -> JSONResponse:
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        form, sent = await _form(request, state)
        text = _needs(form.get("text"), "缺少text参数")
        answer = await _checked(state, text, "缺少text参数", data=_file(sent))
    else:
        body = await run_in_threadpool(loaded, await request.body()) or {}
        text = _needs(body.get("text"), "缺少text参数")
        answer = await _checked(state, text, "缺少text参数", url=_needs(body.get("image_url"), "缺少image_url参数"))
    scores = _scores(answer)
    label = CHINESE[scores.index(max(scores))]
    answer_body = {"label": label, "confidence": max(scores), "all_scores": dict(zip(CHINESE, scores, strict=True))}
    return JSONResponse({"success": True, "result": answer_body})


def _needs(value: Any, error: str, most: int = TEXT_CHARS) -> str:
    """A text that has something in it and that a database can hold."""
    if not isinstance(value, str) or not value.strip():
        raise Refused(400, error)
    if len(value) > most or "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise Refused(400, f"a text over {most} characters, or with a NUL or half a surrogate pair")
    return value


async def _checked(
    state: AppState, text: Any, missing: str, *, url: str | None = None, data: bytes | None = None
) -> EntailmentPrediction:
    said = _needs(text, missing)
    try:
        hypothesis.check(said)
    except BadRequest as err:
        raise Refused.by(err.info(), 400) from err
    await run_in_threadpool(require_checks, state.ledger, state.settings, "upload")
    source, data = _given(state, url=url, data=data)
    job = await _asked(state, check_request(state.settings.compat_site, source, said, "general"), data)
    answer = answer_of(job)
    assert answer is not None  # `_asked` saw to it that the job is done
    return answer


async def _asked(state: AppState, request: JobRequest, data: bytes | None) -> Job:
    await run_in_threadpool(state.ledger.get_site, request.site_id)  # a site that is not there gets no jobs
    _, job = await ask(state, request, data, WAIT_SECONDS)
    if job is None:
        raise Refused(503, f"no answer within {WAIT_SECONDS:g} seconds")
    if job.error is not None or job.description is None:
        raise Refused.by(ending(job))
    return job


def _request(state: AppState, source: ImageSource, *, fields: tuple[Any, ...], profile: str = "general") -> JobRequest:
    """The same picture is the same asset, however often it is sent."""
    asset = hashlib.sha256((source.sha256 or source.location).encode()).hexdigest()[:32]
    return JobRequest(
        site_id=state.settings.compat_site, asset_id=f"compat-{asset}", source=source, profile=profile, fields=fields
    )


def _given(state: AppState, *, url: str | None = None, data: bytes | None = None) -> tuple[ImageSource, bytes | None]:
    if data is None:
        location = _needs(url, "no image", URL_CHARS)
        parse_url(location)
        return ImageSource(kind="url", location=location), None
    if not 0 < len(data) <= state.settings.max_body_bytes:
        raise Refused(400, f"the image must have 1 to {state.settings.max_body_bytes} bytes")
    return unstored(data), data


def _decoded(text: str, state: AppState) -> tuple[ImageSource, bytes | None]:
    try:
        data = decode_base64(text, state.settings.max_body_bytes)
    except BadRequest as err:
        raise Refused(400, "image is not base64") from err
    return _given(state, data=data)


async def _form(request: Request, state: AppState) -> tuple[dict[str, str], bytes | None]:
    """The text parts of a form, and the bytes of its file `image`; None: there is no file."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return {}, None
    async with request.form(max_files=1, max_fields=8) as form:
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        upload = form.get("image")
        if not isinstance(upload, UploadFile) or not upload.filename:
            return texts, None
        return texts, await upload.read(state.settings.max_body_bytes + 1)


def _file(data: bytes | None) -> bytes:
    if data is None:
        raise Refused(400, "No image file")
    return data


def _values(job: Job, field: str, settings: Settings) -> list[str | tuple[Tag, ...] | None]:
    """What may be answered: these callers publish whatever they get, so words for review are left out unless a setting asks
    for them, and what the gate suppressed always is."""
    answered = ("publish", "review") if settings.compat_review else ("publish",)
    offered = job.description.annotations if job.description else ()
    return [a.value for a in offered if a.field == field and a.verdict.action in answered]


def _text(job: Job, field: str, settings: Settings) -> str:
    return next((value for value in _values(job, field, settings) if isinstance(value, str)), "")


def _scores(answer: EntailmentPrediction) -> list[float]:
    return [answer.yes, answer.no, answer.maybe]
