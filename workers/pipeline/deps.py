"""What the pipeline depends on, as Protocols; the settlements of a job; the timer of its stages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tagger.annotation import Annotation, Verdict
from tagger.blobs import Blobs
from tagger.errors import ErrorInfo
from tagger.job import Claim, Description, JobStatus
from tagger.prediction import EntailmentPrediction, Pixels, Prediction
from tagger.site import Site
from tagger.telemetry import tracing
from workers.decode.pool import Decoded
from workers.fetch.byte_budget import ByteBudget

Settlement = Literal["described", "failed", "dead", "released", "stale", "abandoned"]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The result of the rules for a prediction."""

    annotations: tuple[Annotation, ...]
    verdict: Verdict
    delivery_fields: Mapping[str, Any] | None  # `data.fields` of docs/api.md; None: nothing to write
    warnings: tuple[str, ...] = ()


class Decoder(Protocol):
    def decode(self, data: bytes, *, deadline: float) -> Decoded: ...


class Models(Protocol):
    """The models of this worker, seen as one."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    @property
    def checks(self) -> bool: ...  # whether one of them checks texts against images

    def predict(self, pixels: Pixels, instruction: str, *, width: int, height: int, deadline: float) -> Prediction: ...

    def check(self, pixels: Pixels, texts: Sequence[str], *, deadline: float) -> tuple[EntailmentPrediction, ...]: ...


class Rules(Protocol):
    """The judgement, and what the site's profile tells the models."""

    def instruction(self, claim: Claim) -> str: ...

    def unchecked(self, claim: Claim, site: Site, prediction: Prediction) -> tuple[str, ...]: ...

    def opinion(self, claim: Claim, answer: EntailmentPrediction) -> Verdict: ...

    def judge(self, claim: Claim, site: Site, prediction: Prediction) -> Judged: ...


class PipelineLedger(Protocol):
    """The methods of the ledger that the pipeline uses."""

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
    def fail(self, claim: Claim, error: ErrorInfo, timings_ms: Mapping[str, int], *, wait_ms: int = 0) -> JobStatus | None: ...
    def release(self, claim: Claim) -> bool: ...
    def crash(self, claim: Claim) -> JobStatus | None: ...


def ignore_stage(_stage: str, _seconds: float) -> None:
    """The default `on_stage`."""


def never_wait() -> None:
    """The default `give_way`."""


def never_still(_since: float) -> float:
    """The default `stood_still`."""
    return 0.0


def ignore_error(_error: ErrorInfo) -> None:
    """The default `on_error`."""


def ignore_verdict(_verdict: Verdict) -> None:
    """The default `on_verdict`."""


@dataclass(frozen=True, kw_only=True)
class PipelineDeps:
    """Everything that the pipeline needs to describe an image."""

    ledger: PipelineLedger
    blobs: Blobs
    decoder: Decoder
    models: Models
    rules: Rules
    fetch_seconds: float
    max_bytes: int
    encoded_bytes: ByteBudget = field(default_factory=ByteBudget)  # between fetch and decode
    wait_for_uploads: Callable[[], None] = never_wait  # called before an image's result is written; it may wait
    stopping: threading.Event = field(default_factory=threading.Event)
    stood_still: Callable[[float], float] = never_still  # seconds since a monotonic moment in which the process did not run
    on_stage: Callable[[str, float], None] = ignore_stage  # (stage, seconds)
    on_error: Callable[[ErrorInfo], None] = ignore_error
    on_verdict: Callable[[Verdict], None] = ignore_verdict  # of an image whose description is stored


class Watch:
    """The time of each stage of one image, and its span."""

    def __init__(self, claim: Claim, on_stage: Callable[[str, float], None]) -> None:
        self.timings_ms: dict[str, int] = {"queue": max(0, claim.claimed_ms - claim.created_ms)}
        self._on_stage = on_stage

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            with tracing.span(name):
                yield
        finally:
            took = time.monotonic() - began
            self.timings_ms[name] = round(took * 1000)
            self._on_stage(name, took)
