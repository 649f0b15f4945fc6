"""The delivery worker as a process."""

from __future__ import annotations

from tagger.ledger import open_ledger
from tagger.settings import Settings
from workers import deliver
from workers.runtime.heartbeat import EXIT_DECLARED_DEAD
from workers.runtime.register import Asked, patiently
from workers.runtime.shutdown import Ending

MARGIN_SECONDS = 10.0  # the deliverer has a grace period of its own, an attempt's deadline and a little; this is behind it


def run(settings: Settings) -> int:
    """Delivers until it is asked to end; returns the exit status."""
    ledger = open_ledger(settings.ledger)
    ending = Ending(lambda: None, lambda: None, grace=settings.deliver_seconds + MARGIN_SECONDS)
    ending.install()
    try:
        return 0 if patiently(lambda: deliver.run(settings, ledger, ending.asked), ending.asked, "ledger") else EXIT_DECLARED_DEAD
    except Asked:
        return 0
    finally:
        ledger.close()
        ending.done()
