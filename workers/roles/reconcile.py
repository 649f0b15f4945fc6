"""The reconciler as a process: its chores beyond freeing and topping up, and its own entry in the ledger."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from tagger.blobs import open_blobs
from tagger.ledger import Expired, Ledger, open_ledger
from tagger.queue.hints import Hints
from tagger.services.backfill.feed import Feeder
from tagger.services.sweep import sweep_due
from tagger.settings import Settings
from tagger.telemetry import metrics
from tagger.telemetry.probe_server import Probes
from workers.reconcile.reconciler import Chore, Reconciler, ReconcilerHooks
from workers.runtime.register import StopRequested, new_worker_id, registered, retire_worker
from workers.runtime.shutdown import Shutdown

log = structlog.get_logger()

SWEEP_MS = 600_000
METRICS_MS = 5_000
VERDICTS_MS = 10_000
SEARCH_MS = 10_000
TURN_MS = 1_000  # between two signs that the loop turns, for the liveness probe
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ORPHAN_MS = 3_600_000  # uploaded bytes get their job within seconds; older ones without one are orphans


def run(settings: Settings, probes: Probes) -> int:
    """Reconciles until it is asked to end; returns the exit status."""
    worker_id = new_worker_id()
    structlog.contextvars.bind_contextvars(worker=worker_id)
    ledger = open_ledger(settings.ledger)
    hints = Hints(settings.broker)
    shutdown = Shutdown(probes.ending, lambda: retire_worker(ledger, worker_id))
    shutdown.install()
    turn = Chore(name="turn", every_ms=TURN_MS, run=probes.turned, everywhere=True)
    reconciler = Reconciler(
        ledger,
        hints,
        window=settings.window,
        chores=[turn, *chores(settings, ledger, hints, shutdown.requested.is_set)],
        hooks=ReconcilerHooks(
            on_top_up=lambda lane, count: metrics.REHINTS.labels(lane).inc(count),
            on_expired=count_expired,
        ),
    )
    try:
        with registered(ledger, worker_id=worker_id, role="reconcile", lane=None, stopping=shutdown.requested):
            probes.started()
            reconciler.run(shutdown.requested)
    except StopRequested:
        log.info("worker.ended_early")
    finally:
        hints.close()
        ledger.close()
        shutdown.done()
    log.info("worker.ended")
    return 0


def chores(settings: Settings, ledger: Ledger, hints: Hints, stop: Callable[[], bool] = lambda: False) -> list[Chore]:
    """The other recurring chores. `stop`: set when the process ends, for chores that may take long."""
    blobs = open_blobs(settings)
    feeder = Feeder(ledger=ledger, stop=stop)
    left_alone: dict[str, int] = {}  # sites whose CMS asked for a pause of the sweeps

    def sweep() -> None:
        removed = blobs.sweep(ledger.now_ms() - ORPHAN_MS, ledger.blobs_needed)
        if removed:
            log.info("blobs.swept", removed=removed)

    def expire_parked() -> None:
        if ended := ledger.expire_parked():
            log.warning("deliveries.expired", ended=len(ended))

    def expire_old() -> None:
        before_ms = ledger.now_ms() - settings.retention_days * DAY_MS
        erased = ledger.expire_jobs(before_ms)
        for key in erased.blobs:
            blobs.delete(key)
        rest = ledger.expire_rest(before_ms) + ledger.expire_audit_log(ledger.now_ms() - settings.audit_days * DAY_MS)
        if erased.jobs or rest:
            log.info("retention.expired", jobs=erased.jobs, others=rest)

    return [
        Chore(name="verdicts", every_ms=VERDICTS_MS, run=ledger.fill_verdicts),
        Chore(name="search", every_ms=SEARCH_MS, run=ledger.fill_described, apart=True),
        Chore(name="parked", every_ms=HOUR_MS, run=expire_parked),
        Chore(name="retention", every_ms=HOUR_MS, run=expire_old, apart=True),
        Chore(name="feed", every_ms=1_000, run=feeder.feed_all, apart=True),  # it waits for folders
        Chore(name="libraries", every_ms=HOUR_MS, run=lambda: sweep_due(ledger, stop, left_alone), apart=True),
        Chore(name="sweep", every_ms=SWEEP_MS, run=sweep, apart=True),
        Chore(name="metrics", every_ms=METRICS_MS, run=lambda: measure(ledger, hints), everywhere=True),
    ]


def measure(ledger: Ledger, hints: Hints) -> None:
    """Counts, age and depth of each lane as metrics. Every reconciler publishes them, so they exist even if one hangs."""
    now_ms, lanes = ledger.now_ms(), ledger.lane_counts()
    for lane, counts in lanes.items():
        oldest = counts.oldest_claimable_ms
        metrics.LANE_CLAIMABLE.labels(lane).set(counts.claimable)
        metrics.LANE_OLDEST_SECONDS.labels(lane).set(0 if oldest is None else max(0, now_ms - oldest) / 1000)
    for lane in lanes:  # after all that the ledger says: the broker may be away
        metrics.LANE_DEPTH.labels(lane).set(hints.depth(lane))


def count_expired(expired: Expired) -> None:
    metrics.FREED.labels("freed").inc(len(expired.freed))
    metrics.FREED.labels("dead").inc(len(expired.dead))
