"""The body of a request for a job, and the picture that comes with it: from JSON, or from the parts of a form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers, UploadFile

from tagger.api.deps import AppState
from tagger.asset import ImageSource
from tagger.cms.job_body import BOM, JobIn, decode_base64, plain_json
from tagger.errors import BadRequest, BodyTooLarge, Pointer
from tagger.job import JobRequest
from tagger.site import Site

MOST_PARTS = 8  # of a form; more end its reading
MOST_JOB_BYTES = 1 << 20  # of the part `job`, as of any text part


async def read_job(request: Request, state: AppState, site: Site) -> tuple[JobRequest, bytes | None]:
    """The job and, unless it names a URL, the image's bytes; from JSON or multipart."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _read_multipart(request, state, site)
    return await run_in_threadpool(_read_json, state, site, await request.body())


def _read_json(state: AppState, site: Site, content: bytes) -> tuple[JobRequest, bytes | None]:
    """Off the event loop: checking and decoding 40 MB takes a quarter of a second, in which nobody else would be served."""
    body = _validated(content)
    encoded = body.asset.image.base64
    data = None if encoded is None else decode_base64(encoded, state.settings.max_body_bytes)
    return request_of(state, site, body, data)


def request_of(state: AppState, site: Site, body: JobIn, data: bytes | None) -> tuple[JobRequest, bytes | None]:
    profile = chosen_profile(state, site, body.profile)
    if data is None:
        source = ImageSource(kind="url", location=str(body.asset.image.url))
    else:
        source = unstored(data)
    return body.request(site, body.asset.id, body.asset.revision, source, profile), data


def chosen_profile(state: AppState, site: Site, name: str | None) -> str:
    """A profile that a caller names must exist; a site's own may have gone since, and then the worker says so in the job."""
    return state.catalog.require(name).name if name else site.profile


def unstored(data: bytes) -> ImageSource:
    """The source of bytes that `Ingest.accept` will store."""
    return ImageSource(kind="blob", location="", sha256=hashlib.sha256(data).hexdigest())


async def _read_multipart(request: Request, state: AppState, site: Site) -> tuple[JobRequest, bytes | None]:
    async with request.form(max_files=2, max_fields=MOST_PARTS) as form:
        check_parts(form, ("image", "job"))
        upload, job = form.get("image"), form.get("job")
        text = await job.read(MOST_JOB_BYTES) if isinstance(job, UploadFile) else (job or "").encode()
        if not isinstance(upload, UploadFile) or not text:
            raise BadRequest(
                "A multipart job needs a file part `image` and a text part `job` with JSON.",
                errors=(Pointer(pointer="/image"), Pointer(pointer="/job")),
            )
        data = await upload.read(state.settings.max_body_bytes + 1)
    check_size(data, state)
    try:
        tree = json.loads(plain_json(text))
        given = tree["asset"].get("image")
        tree["asset"]["image"] = {
            "url": "https://upload.invalid/"
        }  # stands in for the bytes, so that one model checks both forms
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as err:
        raise BadRequest("The part `job` must be a JSON object with `asset`.", errors=(Pointer(pointer="/job"),)) from err
    if given is not None:
        pointer = Pointer(pointer="/asset/image", detail="one image too many")
        raise BadRequest("The image is already in the part `image`; `asset.image` must be absent.", errors=(pointer,))
    return request_of(state, site, _validated(json.dumps(tree).encode()), data)


def check_parts(form: FormData, names: Collection[str]) -> None:
    """Errors: BadRequest that names a part which is not asked for, as an unknown key of JSON would be named."""
    strange = [name for name in form if name not in names]
    if strange:
        pointers = tuple(Pointer(pointer=f"/{name[:100]}", detail="no such part") for name in strange[:3])
        raise BadRequest(f"The body has an unknown part. Known are: {', '.join(names)}.", errors=pointers)
    twice = next((name for name in names if len(form.getlist(name)) > 1), None)
    if twice is not None:  # one of them would be passed over, and nobody would know which
        pointer = Pointer(pointer=f"/{twice}", detail="given more than once")
        raise BadRequest(f"The body has more than one part `{twice}`.", "Send one image in a request.", errors=(pointer,))


def check_whole_file(headers: Headers) -> None:
    """Errors: BadRequest for a body that is not the bytes of one whole file: a form, or a part of an upload."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
        raise BadRequest("The body is a form, not an image.", "Send the bytes of the image, or the form to POST /v1/jobs.")
    if "content-range" in headers:  # RFC 9110, 14.4: such a PUT would store a part as the whole
        raise BadRequest("The body is a part of a file (Content-Range).", "Send the whole file in one request.")


def check_size(data: bytes, state: AppState) -> None:
    if not data:
        raise BadRequest("The image has no bytes.", errors=(Pointer(pointer="/image"),))
    if len(data) > state.settings.max_body_bytes:
        raise BodyTooLarge(f"The image is larger than {state.settings.max_body_bytes} bytes.")


def _validated(body: bytes) -> JobIn:
    try:
        return JobIn.model_validate_json(body.removeprefix(BOM))
    except ValidationError as err:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in err.errors(include_url=False)]) from None
