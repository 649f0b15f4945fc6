"""The delivery worker as a process."""

from __future__ import annotations

from tagger.ledger import open_ledger
from tagger.settings import Settings
from workers import deliver
from workers.runtime.heartbeat import EXIT_DECLARED_DEAD
from workers.runtime.register import StopRequested, retry_until_available
from workers.runtime.shutdown import Shutdown

MARGIN_SECONDS = 10.0  # the deliverer has a grace period of its own, an attempt's deadline and a little; this is behind it


def run(settings: Settings) -> int:
    """Delivers until it is asked to end; returns the exit status."""
    ledger = open_ledger(settings.ledger)
    shutdown = Shutdown(lambda: None, lambda: None, grace=settings.deliver_seconds + MARGIN_SECONDS)
    shutdown.install()
    try:
        return (
            0
            if retry_until_available(lambda: deliver.run(settings, ledger, shutdown.requested), shutdown.requested, "ledger")
            else EXIT_DECLARED_DEAD
        )
    except StopRequested:
        return 0
    finally:
        ledger.close()
        shutdown.done()
