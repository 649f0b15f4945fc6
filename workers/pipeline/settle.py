"""How an image's end reaches the ledger: given back, charged, or insisted on while the ledger is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from tagger.errors import ErrorInfo, LedgerUnavailable, TaggerError, Unavailable
from tagger.job import Claim
from workers.pipeline.deps import End, PipelineDeps, Watch

log = structlog.get_logger()

RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)  # between tries to write an end while the ledger is away; the last one repeats
PAUSE_SECONDS = 1.0  # before a job is given back because a part is away: it would come right back

T = TypeVar("T")


def give_back(claim: Claim, deps: PipelineDeps, deadline: float, err: TaggerError) -> End:
    """A part of ours is away or ending: not the image's fault, so nothing is charged."""
    log.warning("job.released", job=claim.job_id, code=err.code, reason=str(err))
    if isinstance(err, Unavailable):
        deps.stopping.wait(PAUSE_SECONDS)
    return _end(claim, "released", lambda: "released" if insist(deadline, lambda: deps.ledger.release(claim)) else "stale")


def charge_crash(claim: Claim, deps: PipelineDeps, deadline: float, err: TaggerError) -> End:
    """The process ends with this image in its device's hands: as if it had died of it."""
    log.warning("job.crashed", job=claim.job_id, code=err.code, crashes=claim.crashes + 1)

    def write() -> End:
        status = insist(deadline, lambda: deps.ledger.crash(claim))
        return "stale" if status is None else "dead" if status == "dead" else "released"

    return _end(claim, "released", write)


def charge(claim: Claim, deps: PipelineDeps, deadline: float, watch: Watch, error: ErrorInfo) -> End:
    log.warning(
        "job.failed", job=claim.job_id, stage=error.stage, code=error.code, detail=error.detail, attempt=claim.attempts + 1
    )
    deps.on_error(error)

    def write() -> End:
        status = insist(deadline, lambda: deps.ledger.fail(claim, error, watch.timings_ms))
        return "stale" if status is None else "dead" if status == "dead" else "failed"

    return _end(claim, "failed", write)


def _end(claim: Claim, wanted: End, write: Callable[[], End]) -> End:
    try:
        return write()
    except LedgerUnavailable as err:
        # its deadline, or the expiry of this worker, frees the job
        log.error("job.abandoned", job=claim.job_id, wanted=wanted, error=str(err))
        return "abandoned"


def insist(deadline: float, write: Callable[[], T]) -> T:
    """Writes an end, again and again while the ledger is away, until the job's deadline: work that is done is not thrown
    away for a restart of the ledger. The claim's token makes every repetition harmless.
    """
    tries = 0
    while True:
        try:
            return write()
        except LedgerUnavailable:
            pause = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
            tries += 1
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
