"""Writes a job's settlement to the ledger: released, crashed, failed or described. Retries while the ledger is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from tagger.errors import ErrorInfo, LedgerUnavailable, TaggerError, Unavailable
from tagger.job import Claim
from workers.pipeline.deps import PipelineDeps, Settlement, Watch
from workers.runtime.retry import retry

log = structlog.get_logger()

RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)  # pauses between tries while the ledger is away; the last one repeats
PAUSE_SECONDS = 1.0  # before a job is released because a service is away; without it the job would come right back

T = TypeVar("T")


def give_back(claim: Claim, deps: PipelineDeps, deadline: float, err: TaggerError) -> Settlement:
    """Releases the job without a charge: one of our own services is away or stopping, so the image is not at fault."""
    log.warning("job.released", job=claim.job_id, code=err.code, reason=str(err))
    if isinstance(err, Unavailable):
        deps.stopping.wait(PAUSE_SECONDS)
    return _settle(
        claim, "released", lambda: "released" if retry_until(deadline, lambda: deps.ledger.release(claim)) else "stale"
    )


def charge_crash(claim: Claim, deps: PipelineDeps, deadline: float, err: TaggerError) -> Settlement:
    """Charges a crash: the process ends while its device processes this image, as if the image had killed it."""
    log.warning("job.crashed", job=claim.job_id, code=err.code, crashes=claim.crashes + 1)

    def write() -> Settlement:
        status = retry_until(deadline, lambda: deps.ledger.crash(claim))
        return "stale" if status is None else "dead" if status == "dead" else "released"

    return _settle(claim, "released", write)


def charge(claim: Claim, deps: PipelineDeps, deadline: float, watch: Watch, error: ErrorInfo, *, wait_ms: int = 0) -> Settlement:
    """Counts a typed failure. `wait_ms`: the next attempt comes no sooner."""
    log.warning(
        "job.failed", job=claim.job_id, stage=error.stage, code=error.code, detail=error.detail, attempt=claim.failures + 1
    )
    deps.on_error(error)

    def write() -> Settlement:
        status = retry_until(deadline, lambda: deps.ledger.fail(claim, error, watch.timings_ms, wait_ms=wait_ms))
        return "stale" if status is None else "dead" if status == "dead" else "failed"

    return _settle(claim, "failed", write)


def _settle(claim: Claim, wanted: Settlement, write: Callable[[], Settlement]) -> Settlement:
    try:
        return write()
    except LedgerUnavailable as err:
        # the job becomes claimable again at its deadline or when this worker's lease expires
        log.error("job.abandoned", job=claim.job_id, wanted=wanted, error=str(err))
        return "abandoned"


def retry_until(deadline: float, write: Callable[[], T]) -> T:
    """Writes to the ledger and retries while it is away, until the job's deadline. So a restart of the ledger loses no work.

    The claim's token makes each retry safe.
    """

    def give_up(seconds: float) -> bool:
        if time.monotonic() + seconds > deadline:
            return True
        time.sleep(seconds)
        return False

    return retry(write, waits=RETRY_SECONDS, give_up=give_up)
