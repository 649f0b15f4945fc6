"""The models of the API's response bodies, for its description. `tagger/serializers.py` makes the bodies; tests compare the
two."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tagger.annotation import Action, Outcome
from tagger.annotation import Field as FieldName
from tagger.asset import PictureKind
from tagger.delivery import AttemptResult, DeliveryStatus
from tagger.errors import Stage
from tagger.job import JobStatus, Lane


def answered(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: its body is described by the model, and not made by it."""
    return {200: {"model": model}}


Instant = str  # RFC 3339 in UTC


class Answer(BaseModel):
    """More keys may come with a later version."""

    model_config = ConfigDict(frozen=True)


class At(Answer):
    pointer: str = Field(description="RFC 6901 pointer into the body of the request; for a query, the name of the parameter.")
    detail: str


class ErrorOut(Answer):
    type: str
    title: str
    status: int
    code: str = Field(description="Stable; docs/errors.md lists all.")
    detail: str = Field(description="What happened in this case.")
    stage: Stage
    retryable: bool
    remedy: str
    errors: list[At]


class Problem(ErrorOut):
    """RFC 9457. Every error of the API has this form."""

    request_id: str = Field(description="As in the log and in X-Request-Id.")
    job: str | None = Field(None, description="The failed job, if the request waited for one.")


class AssetRef(Answer):
    id: str


class ReceiptOut(Answer):
    id: str
    status: JobStatus
    asset: AssetRef
    created_at: Instant


class VerdictOut(Answer):
    action: Action
    reasons: list[str]


class TagOut(Answer):
    id: str
    label: str
    score: float
    category: str


class AnnotationOut(Answer):
    field: FieldName
    locale: str
    value: str | list[TagOut] | None = Field(description='null: no proposal; "": decorative.')
    score: float | None
    model: str | None
    rules: list[str]
    verdict: VerdictOut
    source: Literal["model", "context", "rule"]
    outcome: Outcome | None
    kind: PictureKind | None = Field(default=None, description="What kind of picture it is; null: not sure.")
    text: str | None = Field(
        default=None, description='Text that was read in the picture (the first 500 characters); "": none; null: not sure.'
    )
    focal_point: tuple[float, float] | None = Field(
        default=None, description="x and y as shares of width and height: what a crop should keep; null: not known."
    )


class DeliverySummary(Answer):
    id: str
    status: DeliveryStatus
    attempts: int
    next_attempt_at: Instant | None


class DescribedAsset(AssetRef):
    revision: str | None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None


class JobOut(Answer):
    id: str
    status: JobStatus
    site: str
    lane: Lane
    profile: str
    created_at: Instant
    updated_at: Instant
    attempts: int
    crashes: int
    next_attempt_at: Instant | None
    asset: DescribedAsset
    verdict: VerdictOut | None
    annotations: list[AnnotationOut]
    warnings: list[Any]
    delivery: DeliverySummary | None
    error: ErrorOut | None
    timings_ms: dict[str, float]
    metadata: dict[str, str]
    backfill: str | None


class JobList(Answer):
    data: list[JobOut]
    next_cursor: str | None


class OutcomeOut(Answer):
    field: str
    locale: str | None
    outcome: Outcome
    reason: str | None


class DeliveryOut(DeliverySummary):
    job: str
    site: str
    asset: AssetRef
    sequence: int
    created_at: Instant
    fields: dict[str, Any]
    outcomes: list[OutcomeOut]
    previous: dict[str, dict[str, str | None]] = Field(
        default={},
        description="Field, locale, and the text that was replaced, as the CMS reported it; null: the field was never set.",
    )
    error: dict[str, Any] | None


class DeliveryList(Answer):
    data: list[DeliveryOut]
    next_cursor: str | None


class AttemptOut(Answer):
    id: str
    number: int
    at: Instant
    result: AttemptResult
    status: int | None
    duration_ms: int
    error: dict[str, Any] | None


class AttemptList(Answer):
    data: list[AttemptOut]
    next_cursor: None


class DeadLetterOut(Answer):
    id: str
    kind: Literal["job", "delivery"]
    site: str
    asset: AssetRef
    job: str
    at: Instant
    attempts: int
    error: dict[str, Any]


class DeadLetterList(Answer):
    data: list[DeadLetterOut]
    next_cursor: str | None


class NotReplayed(Answer):
    id: str
    reason: str


class Replayed(Answer):
    replayed: int
    not_replayed: list[NotReplayed] = Field(default=[], description="Ids that were named and not replayed, if any.")


class EndpointOut(Answer):
    id: str
    url: str
    enabled: bool


class SiteOut(Answer):
    id: str
    name: str
    cms: str
    profile: str
    locales: list[str]
    vocabulary: str | None
    allowed_hosts: list[str]
    writes_paused: bool
    max_open_jobs: int | None = Field(description="Quota; further requests get 429. null: no limit.")
    max_bytes_a_day: int | None = Field(description="Quota of uploads by the UTC day. null: no limit.")
    open_jobs: int
    bytes_today: int
    endpoint: EndpointOut | None
    capabilities: dict[str, Any] | None = Field(description="The answer of its CMS to `site.probe`; null: none.")
    probed_at: Instant | None


class SiteList(Answer):
    data: list[SiteOut]
    next_cursor: None


class SiteAdded(SiteOut):
    hook_secret: str = Field(description="Shown only in this answer.")
    callback_secret: str | None


class Scores(Answer):
    yes: float
    maybe: float
    no: float


class WarningOut(Answer):
    code: str
    word: str
    detail: str


class EntailmentOut(Answer):
    id: str
    text: str
    result: Literal["yes", "maybe", "no"]
    confidence: float
    scores: Scores
    action: Action
    model: str
    warnings: list[WarningOut]
    timings_ms: dict[str, float]


class Health(Answer):
    status: Literal["ok"]
    model_loaded: bool


class Ready(Answer):
    ready: bool
    broker: Literal["answers", "away"] = Field(description="Accepting goes on without it; the ledger has every job.")
    workers: dict[str, int]
    latency_95: float | None
    queue_length: int
