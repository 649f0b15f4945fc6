"""Logs (structlog). No secret reaches a log: a processor masks the values of keys that hold secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from tagger.settings import Settings
from tagger.settings.limits import batch_warning
from tagger.telemetry import metrics, tracing
from tagger.telemetry.control_characters import escape_cell, escape_controls, escape_json
from tagger.telemetry.log_limit import LogLimit
from tagger.telemetry.masking import mask_passwords

log = structlog.get_logger()

SECRET_KEYS = frozenset(
    {"authorization", "secret", "secrets", "key", "api_key", "admin_key", "password", "fetch_auth", "hook_secrets"}
)

_JSON = structlog.processors.JSONRenderer(ensure_ascii=False)


def mask_secrets(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in SECRET_KEYS.intersection(event):
        event[key] = "***"
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = mask_passwords(value)
    return event


def escape_values(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters for the console form: an asset's id must not control the terminal that shows the line."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = (escape_controls if key in ("exception", "stack") else escape_cell)(value)
        elif not isinstance(value, int | float | None):
            event[key] = escape_cell(repr(value))
    return event


def _json_line(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> str:
    return escape_json(str(_JSON(_logger, _name, event)))


def configure(settings: Settings, role: str, stream: TextIO | None = None) -> None:
    """Set up the logs of this process, to `stream` (default: standard error), its metrics and its traces.

    Errors: SettingsError if traces are asked for and their extra is not installed.

    Loggers of the standard library (celery, uvicorn, alembic) write to the same stream in the same form.
    """
    traced = [tracing.add_ids] if tracing.start(settings, role) else []
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        *traced,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_secrets,
    ]
    for_console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    renderers: list[Any] = [escape_values, for_console] if settings.log_format == "console" else [_json_line]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(LogLimit())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_secrets,  # once more: a traceback is a text only now
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
    metrics.start()
    if too_large := batch_warning(settings.threads, settings.max_batch):
        log.warning("batch.lowered", error=too_large)
