"""What an engine may be told: its limits, and whom it calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from workers.inference.batcher import always

CANARY_COSINE = 0.98  # least cosine of the canary's reading to the golden vector: above float16 and int8 noise
CANARY_RETRY_SECONDS = 1.0
EXIT_DEVICE_FAULT = 70  # EX_SOFTWARE: the supervisor starts the process anew

log = structlog.get_logger(__name__)


def exit_process(reason: str) -> None:
    """The default `on_fatal`. It does not clean up, because a broken device may hang in it. The ledger frees the jobs of a dead
    worker."""
    log.critical("process.exited", reason=reason, status=EXIT_DEVICE_FAULT)
    os._exit(EXIT_DEVICE_FAULT)


def ignore_batch(count: int, size: float, seconds: float, fill: float) -> None:
    """The default `on_batch`."""


def at_once() -> None:
    """The default `before_batch`."""


@dataclass(frozen=True, kw_only=True)
class EngineLimits:
    """Of a batch, and of the time that each step may take."""

    max_batch: int = 16  # images
    max_units: float | None = None  # cost units of one batch; None: no limit
    budget_ms: float | None = None  # predicted milliseconds of one batch; None: no limit
    wait_ms: float = 15.0  # for which a batch waits to fill
    max_waiting: int | None = None  # images in the queue; None: no limit
    batch_seconds: float = 60.0  # the watchdog ends the process if one run takes longer
    start_seconds: float = 600.0  # the same for a run that warms the model; loading that takes longer counts as a stall
    canary_seconds: float = 60.0  # between two checks of the device
    canary_cosine: float = CANARY_COSINE
    canary_retry_seconds: float = CANARY_RETRY_SECONDS


@dataclass(frozen=True, kw_only=True)
class EngineHooks:
    """Functions that the owner thread calls."""

    # Before each batch, and between images that the model takes in turn. It may wait, but far shorter than `batch_seconds`.
    before_batch: Callable[[], None] = at_once
    patient: Callable[[], bool] = always  # False: an image runs alone, at once
    # After each batch: images, units, seconds, and the used share of the budget from 0 to 1.
    on_batch: Callable[[int, float, float, float], None] = ignore_batch
    on_fatal: Callable[[str], None] = exit_process  # the process must exit; if it returns, all waiters get EngineStopped
