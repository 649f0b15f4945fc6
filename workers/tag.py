"""The pipeline of one image, top to bottom: fetch, decode, predict, judge, persist.

Every end is written to the ledger: completed, failed by a typed error (charged to the job), or released (not charged,
when a part of ours was at fault). Whoever no longer holds the claim's token finds its word refused, which is no error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeVar

import structlog

from tagger import metadata
from tagger.annotation import Annotation, Verdict
from tagger.blobs import Blobs
from tagger.errors import EngineStopped, ErrorInfo, LedgerUnavailable, StorageUnavailable, TaggerError, Unavailable
from tagger.job import Claim, Description, JobStatus
from tagger.prediction import EntailmentPrediction, Pixels, Prediction
from tagger.site import Site
from workers import cached
from workers.decode import Decoded
from workers.fetch import Fetched, FetchPolicy, fetch

log = structlog.get_logger()

End = Literal["described", "failed", "dead", "released", "stale", "abandoned"]

RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)  # between tries to write an end while the ledger is away; the last one repeats
PAUSE_SECONDS = 1.0  # before a job is given back because a part is away: it would come right back

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the rules made of a prediction."""

    annotations: tuple[Annotation, ...]
    verdict: Verdict
    delivery_fields: Mapping[str, Any] | None  # API.md's `data.fields`; None: nothing to deliver
    warnings: tuple[str, ...] = ()


class Decoder(Protocol):
    def decode(self, data: bytes, *, deadline: float) -> Decoded: ...


class Models(Protocol):
    """The models of this worker, seen as one."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    @property
    def checks(self) -> bool: ...  # whether one of them holds texts against pictures

    def predict(self, pixels: Pixels, instruction: str, *, width: int, height: int, deadline: float) -> Prediction: ...

    def check(self, pixels: Pixels, texts: Sequence[str], *, deadline: float) -> tuple[EntailmentPrediction, ...]: ...


class Rules(Protocol):
    """The judgement, and what the site's profile tells the models."""

    def instruction(self, claim: Claim) -> str: ...

    def unchecked(self, claim: Claim, site: Site, prediction: Prediction) -> tuple[str, ...]: ...

    def opinion(self, claim: Claim, answer: EntailmentPrediction) -> Verdict: ...

    def judge(self, claim: Claim, site: Site, prediction: Prediction) -> Judged: ...


class LedgerLike(Protocol):
    """What the pipeline asks of the ledger."""

    def get_site(self, site_id: str) -> Site: ...
    def cached(self, key: str) -> bytes | None: ...
    def complete(
        self,
        claim: Claim,
        description: Description,
        delivery_fields: Mapping[str, Any] | None,
        *,
        prediction: tuple[str, bytes] | None = None,
    ) -> bool: ...
    def fail(self, claim: Claim, error: ErrorInfo, timings_ms: Mapping[str, int]) -> JobStatus | None: ...
    def release(self, claim: Claim) -> bool: ...


def ignore_stage(_stage: str, _seconds: float) -> None:
    """The default `on_stage`."""


def ignore_error(_error: ErrorInfo) -> None:
    """The default `on_error`."""


@dataclass(frozen=True, kw_only=True)
class Kit:
    """Everything that describing an image needs."""

    ledger: LedgerLike
    blobs: Blobs
    decoder: Decoder
    models: Models
    rules: Rules
    fetch_seconds: float
    max_bytes: int
    stopping: threading.Event = field(default_factory=threading.Event)
    on_stage: Callable[[str, float], None] = ignore_stage  # (stage, seconds)
    on_error: Callable[[ErrorInfo], None] = ignore_error


class Watch:
    """The time of each stage of one image."""

    def __init__(self, claim: Claim, on_stage: Callable[[str, float], None]) -> None:
        self.timings_ms: dict[str, int] = {"queue": max(0, claim.claimed_ms - claim.created_ms)}
        self._on_stage = on_stage

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - began
            self.timings_ms[name] = round(took * 1000)
            self._on_stage(name, took)


def describe(claim: Claim, kit: Kit) -> End:
    """Describes the claimed image and writes its end into the ledger. Raises nothing but what ends the process."""
    deadline = time.monotonic() + max(0, claim.deadline_ms - claim.claimed_ms) / 1000  # the ledger's clock, seen as a span
    watch = Watch(claim, kit.on_stage)
    try:
        work = _described if claim.request.check_text is None else _checked
        found = work(claim, kit, watch, deadline)
        with watch.stage("persist"):
            kept = _insist(
                deadline, lambda: kit.ledger.complete(claim, found.description, found.fields, prediction=found.prediction)
            )
    except (EngineStopped, Unavailable) as err:
        return _give_back(claim, kit, deadline, err)
    except TaggerError as err:
        return _charge(claim, kit, deadline, watch, err.info())
    except Exception as err:
        log.exception("job.broke", job=claim.job_id, error=type(err).__name__)
        broken = TaggerError(f"An unexpected error: {type(err).__name__}.").info()
        return _charge(claim, kit, deadline, watch, _retryable(broken))
    if not kept:
        return "stale"
    _forget_bytes(claim, kit)
    log.info("job.described", job=claim.job_id, asset=claim.request.asset_id, site=claim.request.site_id, **watch.timings_ms)
    return "described"


@dataclass(frozen=True, kw_only=True)
class _Found:
    """All that goes into the ledger, in one transaction."""

    description: Description
    fields: Mapping[str, Any] | None  # to deliver
    prediction: tuple[str, bytes] | None  # for the cache; None: it came from there


def _described(claim: Claim, kit: Kit, watch: Watch, deadline: float) -> _Found:
    request = claim.request
    site = kit.ledger.get_site(request.site_id)
    instruction = kit.rules.instruction(claim)
    fetched = _fetched(claim, kit, site, watch, deadline)
    sha256, data = fetched.sha256, fetched.data
    del fetched
    key = cached.key(site_id=site.id, sha256=sha256, models=kit.models.ids, instruction=instruction, context=request.context)
    known = kit.ledger.cached(key)
    prediction = cached.load(known) if known is not None else None
    fresh: tuple[str, bytes] | None = None
    unchecked = kit.rules.unchecked(claim, site, prediction) if prediction is not None and kit.models.checks else ()
    if prediction is None or unchecked:  # a cached one was perhaps made for other words than this profile's
        with watch.stage("decode"):
            decoded = kit.decoder.decode(data, deadline=deadline)
        del data  # the encoded bytes need not wait for the model
        if prediction is None:
            with watch.stage("model"):
                size = {"width": decoded.width, "height": decoded.height}
                seen = kit.models.predict(decoded.pixels, instruction, **size, deadline=deadline)
            told = metadata.read(exif_block=decoded.exif, iptc_block=decoded.iptc, xmp_packet=decoded.xmp)
            prediction = replace(seen, file=told)
            unchecked = kit.rules.unchecked(claim, site, prediction) if kit.models.checks else ()
        if unchecked:
            with watch.stage("check"):
                answers = kit.models.check(decoded.pixels, unchecked, deadline=deadline)
            prediction = _with_answers(prediction, answers)
        del decoded
        fresh = key, cached.dump(prediction)
    with watch.stage("judge"):
        judged = kit.rules.judge(claim, site, prediction)
    embedding = prediction.embedding
    description = Description(
        annotations=judged.annotations,
        verdict=judged.verdict,
        sha256=sha256,
        width=prediction.width,
        height=prediction.height,
        timings_ms=dict(watch.timings_ms),
        embedding=(embedding.model, cached.encode_vector(embedding.vector)) if embedding else None,
        warnings=judged.warnings,
        checks=prediction.entailment,
    )
    return _Found(description=description, fields=judged.delivery_fields if request.deliver else None, prediction=fresh)


def _checked(claim: Claim, kit: Kit, watch: Watch, deadline: float) -> _Found:
    """Only whether the caller's text describes the image. Errors: NotChecked where no model of this worker can tell."""
    site = kit.ledger.get_site(claim.request.site_id)
    fetched = _fetched(claim, kit, site, watch, deadline)
    with watch.stage("decode"):
        decoded = kit.decoder.decode(fetched.data, deadline=deadline)
    with watch.stage("check"):
        (answer,) = kit.models.check(decoded.pixels, [claim.request.check_text or ""], deadline=deadline)
    description = Description(
        annotations=(),
        verdict=kit.rules.opinion(claim, answer),
        sha256=fetched.sha256,
        width=decoded.width,
        height=decoded.height,
        timings_ms=dict(watch.timings_ms),
        checks=(answer,),
    )
    return _Found(description=description, fields=None, prediction=None)


def _fetched(claim: Claim, kit: Kit, site: Site, watch: Watch, deadline: float) -> Fetched:
    with watch.stage("fetch"):
        return fetch(
            claim.request.source,
            policy=FetchPolicy.of(site, kit.max_bytes),
            deadline=min(deadline, time.monotonic() + kit.fetch_seconds),
            blobs=kit.blobs,
        )


def _with_answers(prediction: Prediction, answers: tuple[EntailmentPrediction, ...]) -> Prediction:
    models = tuple(dict.fromkeys((*prediction.models, *(answer.model for answer in answers))))
    return replace(prediction, entailment=(*prediction.entailment, *answers), models=models)


def _give_back(claim: Claim, kit: Kit, deadline: float, err: TaggerError) -> End:
    """A part of ours is away or ending: not the image's fault, so nothing is charged."""
    log.warning("job.released", job=claim.job_id, code=err.code, reason=str(err))
    if isinstance(err, Unavailable):
        kit.stopping.wait(PAUSE_SECONDS)
    return _end(claim, "released", lambda: "released" if _insist(deadline, lambda: kit.ledger.release(claim)) else "stale")


def _charge(claim: Claim, kit: Kit, deadline: float, watch: Watch, error: ErrorInfo) -> End:
    log.warning(
        "job.failed", job=claim.job_id, stage=error.stage, code=error.code, detail=error.detail, attempt=claim.attempts + 1
    )
    kit.on_error(error)

    def write() -> End:
        status = _insist(deadline, lambda: kit.ledger.fail(claim, error, watch.timings_ms))
        return "stale" if status is None else "dead" if status == "dead" else "failed"

    return _end(claim, "failed", write)


def _end(claim: Claim, wanted: End, write: Callable[[], End]) -> End:
    try:
        return write()
    except LedgerUnavailable as err:
        # its deadline, or the expiry of this worker, frees the job
        log.error("job.abandoned", job=claim.job_id, wanted=wanted, error=str(err))
        return "abandoned"


def _insist(deadline: float, write: Callable[[], T]) -> T:
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


def _retryable(error: ErrorInfo) -> ErrorInfo:
    return replace(error, retryable=True, stage="batch")


def _forget_bytes(claim: Claim, kit: Kit) -> None:
    if claim.request.source.kind == "blob":
        try:
            kit.blobs.delete(claim.request.source.location)
        except StorageUnavailable as err:
            log.warning("blob.left", job=claim.job_id, error=str(err))  # the sweep takes it
