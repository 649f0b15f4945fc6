"""The pipeline of one image, top to bottom: fetch, decode, predict, judge, persist.

Every end is written to the ledger: completed, failed by a typed error (charged to the job), or released (not charged,
when a part of ours was at fault). Whoever no longer holds the claim's token finds its word refused, which is no error.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from tagger.errors import (
    DecoderLost,
    DeviceLost,
    EngineStopped,
    ErrorInfo,
    ImageHidden,
    StorageUnavailable,
    TaggerError,
    Unavailable,
)
from tagger.file_metadata import FileMetadata
from tagger.imagemeta import read as metadata
from tagger.job import Claim, Description
from tagger.prediction import EntailmentPrediction, Prediction
from tagger.site import Site
from workers.decode.pool import Decoded
from workers.fetch.byte_budget import Share
from workers.fetch.fetch import Fetched, FetchPolicy, fetch
from workers.pipeline import prediction_codec
from workers.pipeline.deps import End, Judged, PipelineDeps, Watch
from workers.pipeline.settle import charge, charge_crash, give_back, insist
from workers.runtime.standstill import LONG_SECONDS

log = structlog.get_logger()

EARLY_MS = 60_000  # after a hook


def describe(claim: Claim, deps: PipelineDeps) -> End:
    """Describes the claimed image and writes its end into the ledger. Raises nothing but what ends the process."""
    began = time.monotonic()
    deadline = began + max(0, claim.deadline_ms - claim.claimed_ms) / 1000  # the ledger's clock, seen as a span
    watch = Watch(claim, deps.on_stage)
    try:
        work = _described if claim.request.check_text is None else _checked
        with deps.encoded.share() as share:
            found = work(claim, deps, watch, deadline, share)
        with watch.stage("persist"):
            deps.wait_for_uploads()
            kept = insist(
                deadline, lambda: deps.ledger.complete(claim, found.description, found.fields, prediction=found.prediction)
            )
    except TaggerError as err:
        return _ended(claim, deps, watch, began, deadline, err)
    except Exception as err:
        log.exception("job.broke", job=claim.job_id, error=type(err).__name__)
        broken = TaggerError(f"An unexpected error: {type(err).__name__}.").info()
        return charge(claim, deps, deadline, watch, _retryable(broken))
    if not kept:
        return "stale"
    _forget_bytes(claim, deps)
    log.info("job.described", job=claim.job_id, asset=claim.request.asset_id, site=claim.request.site_id, **watch.timings_ms)
    return "described"


def _ended(claim: Claim, deps: PipelineDeps, watch: Watch, began: float, deadline: float, err: TaggerError) -> End:
    """An error that another try may mend is charged to nobody if this process stood still meanwhile."""
    if isinstance(err, DeviceLost):
        return charge_crash(claim, deps, deadline, err)
    if err.retryable and deps.stood_still(began) >= LONG_SECONDS:
        return give_back(claim, deps, deadline, err)
    if isinstance(err, DecoderLost):
        return charge_crash(claim, deps, deadline, err)
    if isinstance(err, EngineStopped | Unavailable):
        return give_back(claim, deps, deadline, err)
    return charge(claim, deps, deadline, watch, err.info())


@dataclass(frozen=True, kw_only=True)
class _Found:
    """All that goes into the ledger, in one transaction."""

    description: Description
    fields: Mapping[str, Any] | None  # to deliver; empty: only to tell what came of it
    prediction: tuple[str, bytes] | None  # for the cache; None: it came from there


def _described(claim: Claim, deps: PipelineDeps, watch: Watch, deadline: float, share: Share) -> _Found:
    request = claim.request
    site = deps.ledger.get_site(request.site_id)
    instruction = deps.rules.instruction(claim)
    fetched = _fetched(claim, deps, site, watch, deadline, share)
    sha256, data = fetched.sha256, fetched.data
    del fetched
    key = prediction_codec.key(
        site_id=site.id, sha256=sha256, models=deps.models.ids, instruction=instruction, context=request.context
    )
    known = deps.ledger.cached(key)
    prediction = prediction_codec.load(known) if known is not None else None
    fresh: tuple[str, bytes] | None = None
    unchecked = deps.rules.unchecked(claim, site, prediction) if prediction is not None and deps.models.checks else ()
    if prediction is None or unchecked:  # a cached one was perhaps made for other words than this profile's
        with watch.stage("decode"):
            decoded = deps.decoder.decode(data, deadline=deadline)
        del data  # the encoded bytes need not wait for the model
        share.drop()
        if prediction is None:
            with watch.stage("model"):
                size = {"width": decoded.width, "height": decoded.height}
                seen = deps.models.predict(decoded.pixels, instruction, **size, deadline=deadline)
            prediction = replace(seen, content=decoded.content, file=_told(decoded))
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
        warnings=judged.warnings,
        checks=prediction.entailment,
    )
    return _Found(description=description, fields=_to_deliver(claim, site, judged), prediction=fresh)


def _to_deliver(claim: Claim, site: Site, judged: Judged) -> Mapping[str, Any] | None:
    """Nothing to write is told as well, unless the site does not want to hear it."""
    if not claim.request.deliver:
        return None
    return judged.delivery_fields or ({} if site.tell_unwritten else None)


def _checked(claim: Claim, deps: PipelineDeps, watch: Watch, deadline: float, share: Share) -> _Found:
    """Only whether the caller's text describes the image. Errors: NotChecked where no model can tell; ImageHidden."""
    site = deps.ledger.get_site(claim.request.site_id)
    fetched = _fetched(claim, deps, site, watch, deadline, share)
    with watch.stage("decode"):
        decoded = deps.decoder.decode(fetched.data, deadline=deadline)
    if decoded.content == "hidden":
        raise ImageHidden
    sha256 = fetched.sha256
    del fetched
    share.drop()
    with watch.stage("check"):
        (answer,) = deps.models.check(decoded.pixels, [claim.request.check_text or ""], deadline=deadline)
    description = Description(
        annotations=(),
        verdict=deps.rules.opinion(claim, answer),
        sha256=sha256,
        width=decoded.width,
        height=decoded.height,
        timings_ms=dict(watch.timings_ms),
        warnings=decoded.warnings,
        checks=(answer,),
    )
    return _Found(description=description, fields=None, prediction=None)


def _fetched(claim: Claim, deps: PipelineDeps, site: Site, watch: Watch, deadline: float, share: Share) -> Fetched:
    with watch.stage("fetch"):
        return fetch(
            claim.request.source,
            policy=FetchPolicy.of(site, deps.max_bytes, may_be_early=_may_be_early(claim)),
            deadline=min(deadline, time.monotonic() + deps.fetch_seconds),
            blobs=deps.blobs,
            share=share,
        )


def _may_be_early(claim: Claim) -> bool:
    """Whether a hook came so recently that its CMS may not have made the file public yet. A caller who waits is told at once."""
    request = claim.request
    return request.event_id is not None and request.deliver and claim.claimed_ms - claim.created_ms < EARLY_MS


def _told(decoded: Decoded) -> FileMetadata:
    told = metadata.read(
        exif_block=decoded.exif,
        iptc_block=decoded.iptc,
        xmp_packet=decoded.xmp,
        texts=json.loads(decoded.texts) if decoded.texts else {},
    )
    return replace(told, warnings=(*told.warnings, *decoded.warnings))


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
            log.warning("blob.left", job=claim.job_id, error=str(err))  # the sweep takes it
