"""The part of a job's trace that lies in the tag worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tagger.job import Claim
from tagger.telemetry import tracing


@contextmanager
def traced(claim: Claim) -> Iterator[tuple[Claim, tracing.Span]]:
    """The span of the work on a claimed job, below the span that accepted the job. Beside it lies the wait in the queue.

    A job that was accepted while traces were off begins its trace here. The claim that comes back carries it to the delivery.
    """
    request = claim.request
    if not tracing.active():
        yield claim, tracing.OFF
        return
    ids: Mapping[str, Any] = {"job": claim.job_id, "site": request.site_id, "asset": request.asset_id, "lane": claim.lane}
    first = not claim.failures and not claim.crashes
    with tracing.span("describe", kind="consumer", parent=request.trace, **ids, attempt=claim.failures + 1) as span:
        if first:  # a later attempt did not wait in the queue since the job was created
            tracing.past("queue wait", claim.created_ms, claim.claimed_ms, parent=request.trace)
        here = request.trace or span.context
        yield replace(claim, request=replace(request, trace=here)), span
