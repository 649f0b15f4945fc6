"""Probes and metrics. `/healthz`: this process answers. `/readyz`: it can accept work, for which it needs only the ledger.

Without a broker work goes on, more slowly, since workers then ask the ledger: `/readyz` says `broker: away` and stays 200.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import REGISTRY, CounterMetricFamily, GaugeMetricFamily, Metric

from tagger.api import response_models
from tagger.api.deps import AppState, StateDep
from tagger.api.problems import respond
from tagger.api.response_models import answered
from tagger.delivery import DeliveryStatus
from tagger.errors import LedgerUnavailable, NotFound, Unavailable
from tagger.job import JobStatus
from tagger.ledger import Ledger
from tagger.queue.hints import Hints
from tagger.telemetry import metric_files
from tagger.telemetry.metrics import HTTP_SECONDS

router = APIRouter(tags=["operations"])

GLANCE_SECONDS = 0.3
LEDGER_GAUGES = {  # read from the ledger at the moment of the scrape
    "tagger_ledger_up": "1 if the ledger answers",
    "tagger_jobs": "Jobs in the ledger",
    "tagger_deliveries": "Deliveries in the ledger",
    "tagger_workers": "Living worker processes",
    "tagger_endpoint_up": "1 if deliveries to the endpoint are sent, 0 if its circuit is not closed or it is disabled",
    "tagger_endpoints_unconfirmed": "Endpoints whose last five or more answers confirmed no delivery",
    "tagger_dead_letters_open": "Dead letters that were neither replayed nor discarded",
    "tagger_dead_letter_causes": "Open dead letters, by kind and error code",
}
BROKER_UP = "tagger_broker_up"
BROKER_UP_MEANING = "1 if the broker answers (asked at the scrape, served by the API only)"
LEDGER_COUNTERS = {"tagger_dead_letters_total": "Jobs and deliveries that became dead letters since the ledger was created"}
LEDGER_LABELS: dict[str, tuple[str, ...]] = {
    "tagger_jobs": ("status",),
    "tagger_deliveries": ("status",),
    "tagger_workers": ("role",),
    "tagger_endpoint_up": ("site",),
    "tagger_dead_letters_open": ("kind",),
    "tagger_dead_letter_causes": ("kind", "code"),
    "tagger_dead_letters_total": ("kind",),
}
KINDS = ("job", "delivery")


class Glance:
    """Whether a part is well: asked, but never waited for long. A probe of the process must not hang, and the process be
    restarted, because the ledger or the broker does."""

    def __init__(self, read: Callable[[], bool]) -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="glance")
        self._asked: Future[bool] | None = None

    def __call__(self) -> bool:
        if self._asked is None or self._asked.done():
            self._asked = self._pool.submit(self._read)
        try:
            return self._asked.result(GLANCE_SECONDS)
        except (TimeoutError, Unavailable):
            return False


def loaded(ledger: Ledger) -> Glance:
    """Tag workers register once their models are ready."""
    return Glance(lambda: any(count for role, count in ledger.stats().workers.items() if role.startswith("tag")))


def answering(hints: Hints) -> Glance:
    """Whether the broker answers. `hints`: a separate connection, so that a silent broker does not make senders wait."""

    def ping() -> bool:
        hints.ping()
        return True

    return Glance(ping)


@router.get(
    "/healthz",
    summary="The process is up; and whether a worker with loaded models is, too",
    responses=answered(response_models.Health),
    response_model=None,
)
def healthz(state: StateDep) -> dict[str, Any]:
    return {"status": "ok", "model_loaded": state.loaded()}


@router.get("/readyz", summary="Work can be accepted", responses=answered(response_models.Ready), response_model=None)
def readyz(request: Request, state: StateDep) -> dict[str, Any] | JSONResponse:
    try:
        state.ledger.ping()
        stats = state.ledger.stats()
        waiting = sum(counts.claimable for counts in state.ledger.lane_counts().values())
    except LedgerUnavailable as err:
        return respond(request, err)
    broker = "answers" if state.broker_answers() else "away"
    return {"ready": True, "broker": broker, "workers": stats.workers, "latency_95": _latency_95(), "queue_length": waiting}


def _latency_95() -> float | None:
    """Seconds within which this process answered 95 of 100 requests that bring work, by its histogram; None: none yet."""
    counts: dict[float, float] = {}
    for metric in HTTP_SECONDS.collect():
        for sample in metric.samples:
            if sample.name.endswith("_bucket") and sample.labels["method"] in ("POST", "PUT"):
                edge = float(sample.labels["le"])
                counts[edge] = counts.get(edge, 0.0) + sample.value
    edges = sorted(counts)
    wanted = 0.95 * max(counts.values(), default=0.0)
    if not wanted:
        return None
    below = 0.0
    for lower, edge in zip([0.0, *edges], edges, strict=False):
        if counts[edge] >= wanted:
            inside = (wanted - below) / (counts[edge] - below) if edge != math.inf else 0.0
            return round(lower + (edge - lower) * inside if inside else lower, 4)
        below = counts[edge]
    return None


@router.get("/metrics", summary="Prometheus metrics, unless `metrics_port` has them", response_class=PlainTextResponse)
def metrics(state: StateDep) -> Response:
    if state.settings.metrics_port:  # callers of the API may be anybody, and the other port is the operator's
        raise NotFound("The metrics of this process are at its `metrics_port`.")
    return Response(exposition(state), media_type=CONTENT_TYPE_LATEST)


def exposition(state: AppState) -> bytes:
    """Every metric that this process can tell."""
    return _exposition() + _ledger_exposition(state)


def _exposition() -> bytes:
    """Of this process, or of all processes of the stack that it belongs to."""
    if metric_files.folder_of_stack() is None:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    registry.register(_StackCollector())
    return generate_latest(registry)


class _StackCollector:
    def collect(self) -> Iterable[Metric]:
        folder = metric_files.folder_of_stack()
        return [] if folder is None else metric_files.merged(folder)


def _ledger_exposition(state: AppState) -> bytes:
    """What only the ledger knows, read at the moment of the scrape; and whether the broker answers."""
    registry = CollectorRegistry()
    registry.register(_LedgerCollector(state))
    return generate_latest(registry)


class _LedgerCollector:
    def __init__(self, state: AppState) -> None:
        self._state = state

    def collect(self) -> list[Metric]:
        broker = GaugeMetricFamily(BROKER_UP, BROKER_UP_MEANING, value=self._state.broker_answers())
        up = GaugeMetricFamily("tagger_ledger_up", LEDGER_GAUGES["tagger_ledger_up"])
        try:
            stats, letters = self._state.ledger.stats(), self._state.ledger.dead_letter_counts()
            unconfirmed, sending = len(self._state.ledger.unconfirmed_endpoints()), self._state.ledger.endpoints_up()
        except LedgerUnavailable:
            up.add_metric([], 0)
            return [broker, up]
        up.add_metric([], 1)
        # words without any read 0, so that an alert has something to rise from
        return [
            broker,
            up,
            _gauge("tagger_jobs", {status: stats.jobs.get(status, 0) for status in get_args(JobStatus)}),
            _gauge("tagger_deliveries", {state: stats.deliveries.get(state, 0) for state in get_args(DeliveryStatus)}),
            _gauge("tagger_workers", stats.workers),
            _gauge("tagger_endpoint_up", sending),
            GaugeMetricFamily("tagger_endpoints_unconfirmed", LEDGER_GAUGES["tagger_endpoints_unconfirmed"], value=unconfirmed),
            _gauge("tagger_dead_letters_open", {kind: letters.open.get(kind, 0) for kind in KINDS}),
            _gauge("tagger_dead_letter_causes", letters.causes),
            _counter("tagger_dead_letters_total", {kind: letters.ever.get(kind, 0) for kind in KINDS}),
        ]


def _gauge(name: str, values: Mapping[str, int] | Mapping[tuple[str, str], int]) -> Metric:
    return _filled(GaugeMetricFamily(name, LEDGER_GAUGES[name], labels=LEDGER_LABELS[name]), values)


def _counter(name: str, values: Mapping[str, int]) -> Metric:
    return _filled(CounterMetricFamily(name, LEDGER_COUNTERS[name], labels=LEDGER_LABELS[name]), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, int] | Mapping[tuple[str, str], int]) -> Metric:
    for labels, value in values.items():
        family.add_metric([labels] if isinstance(labels, str) else labels, value)
    return family
