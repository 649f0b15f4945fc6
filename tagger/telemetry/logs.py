"""Logs (structlog) and metrics (Prometheus). Names of metrics are the nouns and stages of the code.

Secrets never reach a log: `configure` puts a processor in front of the renderer that masks keys that hold them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, get_args

import structlog
from prometheus_client import Counter, Gauge, Histogram, start_http_server

from tagger.delivery import AttemptResult
from tagger.errors import PortTaken
from tagger.job import LANES
from tagger.message import MessageType
from tagger.operator_event import TYPES
from tagger.settings import Settings
from tagger.telemetry import metric_files  # before the first metric is made: it decides where their values are kept
from tagger.telemetry.control_characters import escape_cell, escape_controls, escape_json
from tagger.telemetry.log_limit import LogLimit
from tagger.telemetry.masking import mask_passwords

SECRET_KEYS = frozenset(
    {"authorization", "secret", "secrets", "key", "api_key", "admin_key", "password", "fetch_auth", "hook_secrets"}
)

_JSON = structlog.processors.JSONRenderer(ensure_ascii=False)

ENDS = ("described", "failed", "dead", "released", "stale", "abandoned")  # of a job in a worker
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)

STAGE_SECONDS = Histogram("tagger_stage_seconds", "Time of one image in one stage", ["lane", "stage"], buckets=SECONDS)
JOBS = Counter("tagger_jobs_total", "Jobs that left a worker", ["lane", "status"])
ERRORS = Counter("tagger_errors_total", "Typed errors of jobs", ["lane", "stage", "code"])
BATCH_SIZE = Histogram("tagger_batch_size", "Images in a batch", ["model"], buckets=(1, 2, 4, 8, 12, 16, 24, 32, 64, 128))
BATCH_FILL = Histogram(
    "tagger_batch_fill_ratio", "Share of the batch's budget that was used", ["model"], buckets=tuple(i / 10 for i in range(1, 11))
)
BATCH_SECONDS = Histogram("tagger_batch_seconds", "Time of one batch on the device", ["model"], buckets=SECONDS)
LANE_DEPTH = Gauge("tagger_lane_depth", "Hints in the broker's queue", ["lane"], multiprocess_mode="livemostrecent")
LANE_CLAIMABLE = Gauge(
    "tagger_lane_claimable", "Jobs in the ledger that a worker may claim now", ["lane"], multiprocess_mode="livemostrecent"
)
LANE_OLDEST_SECONDS = Gauge(
    "tagger_lane_oldest_seconds", "Age of the oldest claimable job", ["lane"], multiprocess_mode="livemostrecent"
)
REHINTS = Counter("tagger_rehints_total", "Hints sent by the reconciler", ["lane"])
FREED = Counter("tagger_freed_jobs_total", "Jobs taken back from dead workers", ["ruling"])
DELIVERY_ATTEMPTS = Counter(
    "tagger_delivery_attempts_total", "Attempts to deliver, by the type of the message", ["result", "type"]
)
EVENTS = Counter("tagger_operator_events", "What an operator should know of; see operator_event.py.", ["event"])
DELIVERY_SECONDS = Histogram("tagger_delivery_seconds", "Time of one attempt", buckets=SECONDS)
WORKER_READY = Gauge(
    "tagger_worker_ready", "1 when this worker's models are loaded and pass their canary", ["lane"], multiprocess_mode="livesum"
)
HTTP_REQUESTS = Counter("http_requests_total", "Requests to the API", ["method", "route", "status"])
HTTP_SECONDS = Histogram("http_request_seconds", "Time of a request to the API", ["method", "route"], buckets=SECONDS)


def mask_secrets(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in SECRET_KEYS.intersection(event):
        event[key] = "***"
    for key, value in event.items():
        if isinstance(value, str) and "://" in value:
            event[key] = mask_passwords(value)
    return event


def escape_values(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Before lines for people are made: an asset's id must not steer the terminal on which they are read."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = (escape_controls if key in ("exception", "stack") else escape_cell)(value)
        elif not isinstance(value, int | float | None):
            event[key] = escape_cell(repr(value))
    return event


def _json_line(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> str:
    return escape_json(str(_JSON(_logger, _name, event)))


def configure(settings: Settings, role: str, stream: TextIO | None = None) -> None:
    """Set up logging for this process, to `stream` (standard error), and the file of its metrics if it belongs to a stack.

    Standard-library loggers (celery, uvicorn, alembic) end in the same stream and form.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_secrets,
    ]
    for_people = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    renderers: list[Any] = [escape_values, for_people] if settings.log_format == "console" else [_json_line]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(LogLimit())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *renderers,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in ("alembic", "urllib3", "PIL", "kombu", "amqp", "celery.redirected"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level.upper())),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)
    for lane in LANES:  # so that they read 0, and not nothing, until the first time
        REHINTS.labels(lane)
        for status in ENDS:
            JOBS.labels(lane, status)
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


def serve_metrics(port: int) -> int:
    """Serve this process's metrics on loopback; returns the port. Port 0 serves nothing. Errors: PortTaken."""
    if port == 0:
        return 0
    try:
        start_http_server(port, addr="127.0.0.1")
    except OSError as err:
        raise PortTaken(f"Port {port} of 127.0.0.1 cannot be used: {err.strerror}.", "Set another `metrics_port`.") from err
    return port
