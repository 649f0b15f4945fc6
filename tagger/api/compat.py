"""Routes for callers of the services that tagger replaces. Off by default; `compat_site` turns them on for one site.

They take no key, so only allow-listed addresses may call. Each goes through the queue like any other job, and answers 503
after 25 seconds, never 202: those callers know no other answer.
"""

from __future__ import annotations

import hashlib
import ipaddress
import struct
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from tagger import statement
from tagger.api.asking import ask, loaded
from tagger.api.deps import Parts, PartsDep
from tagger.api.entailment import answer_of, check_request
from tagger.api.jobs import unstored
from tagger.api.shapes import decode_base64
from tagger.asset import ImageSource
from tagger.errors import BadRequest, Forbidden, SettingsError, TaggerError
from tagger.job import Job, JobRequest
from tagger.prediction import EntailmentPrediction
from tagger.settings import Settings

WAIT_SECONDS = 25.0
TYPES = ("ecommerce", "product", "marketing", "news", "social", "general")
LABELS = ("Yes", "No", "Maybe")  # in the order of `details`
CHINESE = ("匹配", "不匹配", "部分相关")

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(settings: Settings) -> Networks:
    """Addresses that may call without a key. Errors: SettingsError."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in settings.compat_addresses.split(",") if part.strip())
    except ValueError as err:
        raise SettingsError(f"compat_addresses: {err}") from err


def from_allowed(request: Request, parts: PartsDep) -> None:
    host = request.client.host if request.client is not None else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise Forbidden("The caller's address is not known.") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not any(address in network for network in networks(parts.settings)):
        raise Forbidden(f"{address} is not among `compat_addresses`.")


router = APIRouter(tags=["existing callers"], dependencies=[Depends(from_allowed)], include_in_schema=False)


class Refused(Exception):
    """An answer in the old services' own shape of an error."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.response = JSONResponse({"error": error}, status)


@router.post("/api/generate-caption")
async def generate_caption(request: Request, parts: PartsDep) -> JSONResponse:
    try:
        body = loaded(await request.body())
        image, kind = (body or {}).get("image"), (body or {}).get("format", "base64")
        if not isinstance(image, str) or not image or kind not in ("base64", "url"):
            raise Refused(400, "image and format (base64 or url) are needed")
        source, data = _given(parts, url=image) if kind == "url" else _given(parts, data=_decoded(image, parts))
        job = await _asked(parts, _request(parts, source, fields=("caption",)), data)
        return JSONResponse({"caption": _text(job, "caption")})
    except Refused as refused:
        return refused.response


@router.post("/api/tag-image")
async def tag_image(request: Request, parts: PartsDep) -> JSONResponse:
    try:
        form, sent = await _form(request, parts)
        kind = form.get("type", "")
        source, data = _given(parts, data=_file(sent))
        job = await _asked(
            parts, _request(parts, source, fields=("caption", "tags"), profile=kind if kind in TYPES else "general"), data
        )
        stored = await run_in_threadpool(parts.ledger.vector_of, job.site_id, job.asset_id)
        return JSONResponse(
            {
                "tags": [
                    {"tag": f"{tag.category}:{tag.id}", "confidence": tag.score}
                    for a in (job.description.annotations if job.description else ())
                    if isinstance(a.value, tuple)
                    for tag in a.value
                ],
                "description": _text(job, "caption"),
                "embedding": [] if stored is None else list(struct.unpack(f"<{len(stored.vector) // 2}e", stored.vector)),
            }
        )
    except Refused as refused:
        return refused.response


@router.post("/predict")
async def predict(request: Request, parts: PartsDep) -> JSONResponse:
    try:
        form, data = await _form(request, parts)
        answer = await _checked(parts, form.get("text"), "No text", data=_file(data))
        scores = _scores(answer)
        index = scores.index(max(scores))
        return JSONResponse({"result": index, "label": LABELS[index], "confidence": scores[index], "details": scores})
    except Refused as refused:
        return refused.response


@router.post("/api/v1/visual_entailment")
async def visual_entailment(request: Request, parts: PartsDep) -> JSONResponse:
    try:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            form, sent = await _form(request, parts)
            text = _needs(form.get("text"), "缺少text参数")
            answer = await _checked(parts, text, "缺少text参数", data=_file(sent))
        else:
            body = loaded(await request.body()) or {}
            text = _needs(body.get("text"), "缺少text参数")
            answer = await _checked(parts, text, "缺少text参数", url=_needs(body.get("image_url"), "缺少image_url参数"))
        scores = _scores(answer)
        label = CHINESE[scores.index(max(scores))]
        told = {"label": label, "confidence": max(scores), "all_scores": dict(zip(CHINESE, scores, strict=True))}
        return JSONResponse({"success": True, "result": told})
    except Refused as refused:
        return refused.response


def _needs(value: Any, error: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Refused(400, error)
    return value


async def _checked(
    parts: Parts, text: Any, missing: str, *, url: str | None = None, data: bytes | None = None
) -> EntailmentPrediction:
    said = _needs(text, missing)
    try:
        statement.check(said)
    except TaggerError as err:
        raise Refused(400, f"{err.code}: {err}") from err
    source, data = _given(parts, url=url, data=data)
    job = await _asked(parts, check_request(parts.settings.compat_site, source, said, "general"), data)
    answer = answer_of(job)
    assert answer is not None  # `_asked` saw to it that the job is done
    return answer


async def _asked(parts: Parts, request: JobRequest, data: bytes | None) -> Job:
    _, job = await ask(parts, request, data, WAIT_SECONDS)
    if job is None:
        raise Refused(503, f"no answer within {WAIT_SECONDS:g} seconds")
    if job.error is not None or job.description is None:
        info = job.error
        raise Refused(500 if info is None else info.status, "no answer" if info is None else f"{info.code}: {info.detail}")
    return job


def _request(parts: Parts, source: ImageSource, *, fields: tuple[Any, ...], profile: str = "general") -> JobRequest:
    """The same picture is the same asset, however often it is sent."""
    asset = hashlib.sha256((source.sha256 or source.location).encode()).hexdigest()[:32]
    return JobRequest(
        site_id=parts.settings.compat_site, asset_id=f"compat-{asset}", source=source, profile=profile, fields=fields
    )


def _given(parts: Parts, *, url: str | None = None, data: bytes | None = None) -> tuple[ImageSource, bytes | None]:
    if data is None:
        return ImageSource(kind="url", location=str(url)), None
    if not 0 < len(data) <= parts.settings.max_body_bytes:
        raise Refused(400, f"the image must have 1 to {parts.settings.max_body_bytes} bytes")
    return unstored(data), data


def _decoded(text: str, parts: Parts) -> bytes:
    try:
        return decode_base64(text, parts.settings.max_body_bytes)
    except BadRequest as err:
        raise Refused(400, "image is not base64") from err


async def _form(request: Request, parts: Parts) -> tuple[dict[str, str], bytes | None]:
    """The text parts of a form, and the bytes of its file `image`; None: there is no file."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return {}, None
    async with request.form(max_files=1, max_fields=8) as form:
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        upload = form.get("image")
        if not isinstance(upload, UploadFile) or not upload.filename:
            return texts, None
        return texts, await upload.read(parts.settings.max_body_bytes + 1)


def _file(data: bytes | None) -> bytes:
    if data is None:
        raise Refused(400, "No image file")
    return data


def _text(job: Job, field: str) -> str:
    """What is offered, also where a person should look first: these callers ask for a text, whatever it is worth."""
    found = [a.value for a in (job.description.annotations if job.description else ()) if a.field == field]
    return next((value for value in found if isinstance(value, str)), "")


def _scores(answer: EntailmentPrediction) -> list[float]:
    return [answer.yes, answer.no, answer.maybe]
