"""The delivery worker as a process."""

from __future__ import annotations

import structlog

from tagger.ledger import open_ledger
from tagger.settings import Settings
from tagger.telemetry.probe_server import Probes
from workers import deliver
from workers.runtime.register import StopRequested, new_worker_id, registered, retire_worker
from workers.runtime.shutdown import Shutdown

log = structlog.get_logger()

MARGIN_SECONDS = 10.0  # the deliverer has a grace period of its own, an attempt's deadline and a little; this is behind it


def run(settings: Settings, probes: Probes) -> int:
    """Delivers until it is asked to end; returns the exit status."""
    worker_id = new_worker_id()
    structlog.contextvars.bind_contextvars(worker=worker_id)
    ledger = open_ledger(settings.ledger)
    grace = settings.deliver_seconds + MARGIN_SECONDS
    shutdown = Shutdown(probes.ending, lambda: retire_worker(ledger, worker_id), grace=grace)
    shutdown.install()
    try:
        with registered(ledger, worker_id=worker_id, role="deliver", lane=None, stopping=shutdown.requested):
            probes.started()
            deliver.run(settings, ledger, worker_id, shutdown.requested, on_turn=probes.turned)
    except StopRequested:
        log.info("worker.ended_early")
    finally:
        ledger.close()
        shutdown.done()
    log.info("worker.ended")
    return 0
