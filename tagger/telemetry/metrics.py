"""Metrics (Prometheus). Their names are the nouns and stages of the code; docs/metrics.md lists them."""

from __future__ import annotations

from typing import get_args

from prometheus_client import Counter, Gauge, Histogram

from tagger.annotation import Action, Field, Outcome
from tagger.delivery import AttemptResult
from tagger.job import LANES
from tagger.message import MessageType
from tagger.operator_event import TYPES
from tagger.telemetry import metric_files  # import it before the first metric is made: it sets where values are stored

SETTLEMENTS = ("described", "failed", "dead", "released", "stale", "abandoned")  # how a worker settles a job
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)

STAGE_SECONDS = Histogram("tagger_stage_seconds", "Seconds of one image in one stage", ["lane", "stage"], buckets=SECONDS)
JOBS = Counter("tagger_jobs_total", "Jobs that a worker settled, by settlement", ["lane", "status"])
VERDICTS = Counter("tagger_verdicts_total", "Described images, by verdict", ["verdict"])
ERRORS = Counter("tagger_errors_total", "Errors of jobs, by stage and code", ["lane", "stage", "code"])
BATCH_SIZE = Histogram("tagger_batch_size", "Images in a batch", ["model"], buckets=(1, 2, 4, 8, 12, 16, 24, 32, 64, 128))
BATCH_FILL = Histogram(
    "tagger_batch_fill_ratio",
    "Used share of the budget of a batch, 0 to 1",
    ["model"],
    buckets=tuple(i / 10 for i in range(1, 11)),
)
BATCH_SECONDS = Histogram("tagger_batch_seconds", "Seconds of one batch on the device", ["model"], buckets=SECONDS)
LANE_DEPTH = Gauge("tagger_lane_depth", "Hints in the queue of the broker", ["lane"], multiprocess_mode="livemostrecent")
LANE_CLAIMABLE = Gauge(
    "tagger_lane_claimable", "Jobs in the ledger that a worker may claim now", ["lane"], multiprocess_mode="livemostrecent"
)
LANE_OLDEST_SECONDS = Gauge(
    "tagger_lane_oldest_seconds", "Age of the oldest claimable job, in seconds", ["lane"], multiprocess_mode="livemostrecent"
)
DEVICE_MEMORY = Gauge(
    "tagger_device_memory_bytes", "Memory of the GPU of this worker: used (by all processes) and total; absent without a GPU",
    ["kind"], multiprocess_mode="livemostrecent",
)  # fmt: skip
REHINTS = Counter("tagger_rehints_total", "Hints sent by the reconciler", ["lane"])
FREED = Counter("tagger_freed_jobs_total", "Jobs freed from dead workers, by their next state", ["ruling"])
DELIVERY_ATTEMPTS = Counter(
    "tagger_delivery_attempts_total", "Delivery attempts, by result and type of message", ["result", "type"]
)
ENDPOINT_ATTEMPTS = Counter("tagger_endpoint_attempts_total", "Delivery attempts, by site and result", ["site", "result"])
FIELD_OUTCOMES = Counter(
    "tagger_field_outcomes_total", "What receivers did with offered fields, by field and outcome", ["field", "outcome"]
)
EVENTS = Counter("tagger_operator_events", "Operator events, by type", ["event"])
DELIVERY_SECONDS = Histogram("tagger_delivery_seconds", "Seconds of one delivery attempt", buckets=SECONDS)
WORKER_READY = Gauge(
    "tagger_worker_ready",
    "1 if the models of this worker are loaded and pass the canary check",
    ["lane"],
    multiprocess_mode="livesum",
)
HTTP_REQUESTS = Counter("http_requests_total", "Requests to the API", ["method", "route", "status"])
HTTP_SECONDS = Histogram("http_request_seconds", "Seconds of a request to the API", ["method", "route"], buckets=SECONDS)


def start() -> None:
    """Set every known label to 0, so that a series exists before its first event. In a stack, begin to write the metrics file."""
    for lane in LANES:
        REHINTS.labels(lane)
        for status in SETTLEMENTS:
            JOBS.labels(lane, status)
    for verdict in get_args(Action):
        VERDICTS.labels(verdict)
    for field in get_args(Field):
        for outcome in get_args(Outcome):
            FIELD_OUTCOMES.labels(field, outcome)
    for ruling in ("freed", "dead"):
        FREED.labels(ruling)
    for event in TYPES:
        EVENTS.labels(event)
    for result in get_args(AttemptResult):
        for kind in get_args(MessageType):
            DELIVERY_ATTEMPTS.labels(result, kind)
    folder = metric_files.folder_of_stack()
    if folder is not None:
        metric_files.keep_writing(folder)
