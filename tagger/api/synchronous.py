"""Synchronous routes: create a job for one image in the upload lane and wait for its result."""

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
    """Accept the job and wait. Returns the ended job, or None after `seconds`; then the job continues.

    Nothing is delivered to the CMS. Errors: StorageUnavailable, LedgerUnavailable.
    """
    request = replace(request, lane="upload", deliver=False, event_id=new_id("req"))
    accepted = await run_in_threadpool(state.ingest.accept, request, data)
    status = await state.waiter.wait(accepted.job_id, seconds)
    return accepted, None if status is None else await run_in_threadpool(state.ledger.job, accepted.job_id)


def unanswered(job: Job, request_id: str) -> JSONResponse:
    """The problem response for a job that ended without a result."""
    body = ending(job).to_dict()
    return JSONResponse({**body, "job": job.id, "request_id": request_id}, status_code=body["status"], media_type=MEDIA_TYPE)


def ending(job: Job) -> ErrorInfo:
    """Why an ended job has no result: its own error, or that it was cancelled."""
    return job.error or JobCancelled(f"Job {job.id} is {job.status}.").info()


def loaded(body: bytes) -> dict[str, Any] | None:
    """A JSON object, or None."""
    try:
        document = json.loads(plain_json(body))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
