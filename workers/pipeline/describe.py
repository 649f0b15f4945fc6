"""The pipeline of one image, top to bottom: fetch, decode, predict, judge, persist.

Each claim ends with one settlement in the ledger: completed, failed by a typed error (charged to the job), or released (not
charged, because one of our own services was at fault). If the claim's token is no longer valid, the ledger refuses the write,
and the settlement is `stale`; that is no error.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from tagger.errors import (
    DecodeError,
    DecoderLost,
    DeviceLost,
    EngineStopped,
    ErrorInfo,
    FetchFailed,
    ImageHidden,
    StorageUnavailable,
    TaggerError,
    Unavailable,
)
from tagger.file_metadata import FileMetadata
from tagger.imagemeta.read import read_metadata
from tagger.job import Claim, Description, retry_at
from tagger.prediction import EntailmentPrediction, Prediction
from tagger.site import Site
from workers.decode.pool import Decoded
from workers.fetch.byte_budget import Reservation
from workers.fetch.fetch import Fetched, FetchPolicy, fetch
from workers.pipeline import prediction_codec
from workers.pipeline.deps import Judged, PipelineDeps, Settlement, Watch
from workers.pipeline.look_hash import look_hash
from workers.pipeline.settle import charge, charge_crash, give_back, retry_until
from workers.runtime.standstill import LONG_SECONDS

log = structlog.get_logger()

EARLY_MS = 60_000  # after a hook


def describe(claim: Claim, deps: PipelineDeps) -> Settlement:
    """Describes the claimed image and writes the settlement to the ledger. Raises only what ends the process."""
    started = time.monotonic()
    deadline = started + max(0, claim.deadline_ms - claim.claimed_ms) / 1000  # the ledger's clock may differ from ours
    watch = Watch(claim, deps.on_stage)
    try:
        work = _described if claim.request.check_text is None else _checked
        with deps.encoded_bytes.reservation() as reservation:
            result = work(claim, deps, watch, deadline, reservation)
        with watch.stage("persist"):
            deps.wait_for_uploads()
            valid = retry_until(
                deadline, lambda: deps.ledger.complete(claim, result.description, result.fields, prediction=result.prediction)
            )
    except TaggerError as err:
        return _settle_error(claim, deps, watch, started, deadline, err)
    except Exception as err:
        log.exception("job.raised", job=claim.job_id, error=type(err).__name__)
        broken = TaggerError(f"An unexpected error: {type(err).__name__}.").info()
        return charge(claim, deps, deadline, watch, _retryable(broken))
    if not valid:
        return "stale"
    _forget_bytes(claim, deps)
    if claim.request.check_text is None:
        deps.on_verdict(result.description.verdict)
    log.info("job.described", job=claim.job_id, asset=claim.request.asset_id, site=claim.request.site_id, **watch.timings_ms)
    return "described"


def _settle_error(
    claim: Claim, deps: PipelineDeps, watch: Watch, started: float, deadline: float, err: TaggerError
) -> Settlement:
    """If the process was suspended meanwhile, a retryable error is not charged: the suspension may have caused it."""
    if isinstance(err, DeviceLost):
        return charge_crash(claim, deps, deadline, err)
    if err.retryable and deps.stood_still(started) >= LONG_SECONDS:
        return give_back(claim, deps, deadline, err)
    if isinstance(err, DecoderLost):
        return charge_crash(claim, deps, deadline, err)
    if isinstance(err, EngineStopped | Unavailable):
        return give_back(claim, deps, deadline, err)
    wait_ms = err.retry_after_ms if isinstance(err, FetchFailed) else None
    return charge(claim, deps, deadline, watch, err.info(), wait_ms=wait_ms or 0)


@dataclass(frozen=True, kw_only=True)
class _Result:
    """What one ledger transaction writes."""

    description: Description
    fields: Mapping[str, Any] | None  # to deliver; empty: deliver only the outcome; None: deliver nothing
    prediction: tuple[str, bytes] | None  # key and value for the cache; None: it came from the cache


def _described(claim: Claim, deps: PipelineDeps, watch: Watch, deadline: float, reservation: Reservation) -> _Result:
    request = claim.request
    site = deps.ledger.get_site(request.site_id)
    instruction = deps.rules.instruction(claim)
    fetched = _fetched(claim, deps, site, watch, deadline, reservation)
    sha256, data, broke_off = fetched.sha256, fetched.data, fetched.broke_off
    del fetched
    key = prediction_codec.key(
        site_id=site.id, sha256=sha256, models=deps.models.ids, instruction=instruction, context=request.context
    )
    stored = deps.ledger.cached(key)
    prediction = prediction_codec.load(stored) if stored is not None else None
    fresh: tuple[str, bytes] | None = None
    unchecked = deps.rules.unchecked(claim, site, prediction) if prediction is not None and deps.models.checks else ()
    if prediction is None or unchecked:  # a cached prediction may lack checks of the texts that this profile offers
        with watch.stage("decode"):
            decoded = _decoded(data, broke_off, deps, deadline)
        del data  # free the encoded bytes before the model runs
        reservation.release()
        if prediction is None:
            with watch.stage("model"):
                size = {"width": decoded.width, "height": decoded.height}
                predicted = deps.models.predict(decoded.pixels, instruction, **size, deadline=deadline)
            seen = look_hash(decoded.pixels)
            prediction = replace(predicted, content=decoded.content, file=_file_metadata(decoded), look_hash=seen)
            unchecked = deps.rules.unchecked(claim, site, prediction) if deps.models.checks else ()
        if unchecked:
            with watch.stage("check"):
                answers = deps.models.check(decoded.pixels, unchecked, deadline=deadline)
            prediction = _with_answers(prediction, answers)
        del decoded
        fresh = key, prediction_codec.dump(prediction)
    with watch.stage("judge"):
        judged = deps.rules.judge(claim, site, prediction)
    embedding = prediction.embedding
    description = Description(
        annotations=judged.annotations,
        verdict=judged.verdict,
        sha256=sha256,
        width=prediction.width,
        height=prediction.height,
        timings_ms=dict(watch.timings_ms),
        embedding=(embedding.model, prediction_codec.encode_vector(embedding.vector)) if embedding else None,
        look_hash=prediction.look_hash,
        warnings=(*judged.warnings, *_told(broke_off)),
        checks=prediction.entailment,
    )
    return _Result(description=description, fields=_to_deliver(claim, site, judged), prediction=fresh)


def _to_deliver(claim: Claim, site: Site, judged: Judged) -> Mapping[str, Any] | None:
    """The fields to deliver. Empty if there is nothing to write but the site wants to be told so; None for no delivery."""
    if not claim.request.deliver:
        return None
    return judged.delivery_fields or ({} if site.tell_unwritten else None)


def _checked(claim: Claim, deps: PipelineDeps, watch: Watch, deadline: float, reservation: Reservation) -> _Result:
    """Checks only whether the caller's text describes the image. Errors: NotChecked if no model can check texts; ImageHidden."""
    site = deps.ledger.get_site(claim.request.site_id)
    fetched = _fetched(claim, deps, site, watch, deadline, reservation)
    with watch.stage("decode"):
        decoded = _decoded(fetched.data, fetched.broke_off, deps, deadline)
    if decoded.content == "hidden":
        raise ImageHidden
    sha256, broke_off = fetched.sha256, fetched.broke_off
    del fetched
    reservation.release()
    with watch.stage("check"):
        (answer,) = deps.models.check(decoded.pixels, [claim.request.check_text or ""], deadline=deadline)
    description = Description(
        annotations=(),
        verdict=deps.rules.opinion(claim, answer),
        sha256=sha256,
        width=decoded.width,
        height=decoded.height,
        timings_ms=dict(watch.timings_ms),
        warnings=(*decoded.warnings, *_told(broke_off)),
        checks=(answer,),
    )
    return _Result(description=description, fields=None, prediction=None)


def _fetched(claim: Claim, deps: PipelineDeps, site: Site, watch: Watch, deadline: float, reservation: Reservation) -> Fetched:
    with watch.stage("fetch"):
        return fetch(
            claim.request.source,
            policy=FetchPolicy.of(
                site, deps.max_bytes, may_be_early=_may_be_early(claim), last_attempt=retry_at(claim.failures + 1, 0) is None
            ),
            deadline=min(deadline, time.monotonic() + deps.fetch_seconds),
            blobs=deps.blobs,
            reservation=reservation,
        )


def _decoded(data: bytes, broke_off: FetchFailed | None, deps: PipelineDeps, deadline: float) -> Decoded:
    """Errors: those of the decoder; if it cannot read the part that came before a server broke off, the fault of the server."""
    try:
        return deps.decoder.decode(data, deadline=deadline)
    except DecodeError as err:
        if broke_off is None or err.code != DecodeError.code:
            raise
        raise broke_off from None


def _told(broke_off: FetchFailed | None) -> tuple[str, ...]:
    return () if broke_off is None else (f"{broke_off} What it sent was used.",)


def _may_be_early(claim: Claim) -> bool:
    """Whether the hook is so recent that the CMS may not have published the file yet. For a waiting caller: never."""
    request = claim.request
    return request.event_id is not None and request.deliver and claim.claimed_ms - claim.created_ms < EARLY_MS


def _file_metadata(decoded: Decoded) -> FileMetadata:
    file = read_metadata(
        exif_block=decoded.exif,
        iptc_block=decoded.iptc,
        xmp_packet=decoded.xmp,
        extended_xmp=decoded.extended,
        texts=json.loads(decoded.texts) if decoded.texts else {},
    )
    return replace(file, warnings=(*file.warnings, *decoded.warnings))


def _with_answers(prediction: Prediction, answers: tuple[EntailmentPrediction, ...]) -> Prediction:
    models = tuple(dict.fromkeys((*prediction.models, *(answer.model for answer in answers))))
    return replace(prediction, entailment=(*prediction.entailment, *answers), models=models)


def _retryable(error: ErrorInfo) -> ErrorInfo:
    return replace(error, retryable=True, stage="batch")


def _forget_bytes(claim: Claim, deps: PipelineDeps) -> None:
    if claim.request.source.kind == "blob":
        try:
            deps.blobs.delete(claim.request.source.location)
        except StorageUnavailable as err:
            log.warning("blob.left", job=claim.job_id, error=str(err))  # the reconciler's sweep deletes it later
