"""Ask about one image and wait for the answer: the way of every synchronous route. It goes through the upload lane."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from tagger.api.deps import AppState
from tagger.api.problems import MEDIA_TYPE
from tagger.cms.job_body import plain_json
from tagger.errors import ErrorInfo, JobCancelled
from tagger.ids import new_id
from tagger.job import Job, JobRequest
from tagger.ledger import Accepted


async def ask(state: AppState, request: JobRequest, data: bytes | None, seconds: float) -> tuple[Accepted, Job | None]:
    """The job, once it is neither waiting nor running; None when `seconds` passed first, and it goes on.

    Nothing is delivered to the CMS. Errors: StorageUnavailable, LedgerUnavailable.
    """
    request = replace(request, lane="upload", deliver=False, event_id=new_id("req"))
    accepted = await run_in_threadpool(state.ingest.accept, request, data)
    status = await state.waiter.wait(accepted.job_id, seconds)
    return accepted, None if status is None else await run_in_threadpool(state.ledger.job, accepted.job_id)


def unanswered(job: Job, request_id: str) -> JSONResponse:
    """The problem of a job that ended without an answer."""
    body = ending(job).to_dict()
    return JSONResponse({**body, "job": job.id, "request_id": request_id}, status_code=body["status"], media_type=MEDIA_TYPE)


def ending(job: Job) -> ErrorInfo:
    """Why a job that ended has no answer: its own error, or that it was cancelled."""
    return job.error or JobCancelled(f"Job {job.id} is {job.status}.").info()


def loaded(body: bytes) -> dict[str, Any] | None:
    """A JSON object, or None."""
    try:
        document = json.loads(plain_json(body))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
