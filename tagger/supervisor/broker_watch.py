"""The broker of a stack: an embedded one must answer, not only run. One that ended, or is silent, is started anew."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from tagger.errors import Unavailable
from tagger.settings import Settings
from tagger.supervisor.redis_server import Broker, open_broker

log = structlog.get_logger()

PING_EVERY_SECONDS = 2.0
SILENT_SECONDS = 4.0  # a broker that does not answer for so long is ended; both together are noticed within 10 s


@dataclass
class BrokerWatch:
    settings: Settings
    broker: Broker | None = None
    pinged: float = 0.0  # monotonic, as all of them
    answered: float = 0.0

    def open(self) -> None:
        """Errors: Unavailable."""
        self.broker = open_broker(self.settings)

    @property
    def url(self) -> str:
        return self.broker.url if self.broker else ""

    def look(self) -> None:
        if self.broker is not None and not self.broker.alive():
            log.warning("stack.broker_ended")
            try:
                self.open()
            except Unavailable as err:
                log.error("stack.broker_absent", error=str(err))

    def ping(self, now: float) -> None:
        """Ends a broker that is stopped, or hangs; the next look starts it."""
        if self.broker is None or self.broker.process is None or now - self.pinged < PING_EVERY_SECONDS:
            return
        self.pinged = now
        if self.broker.answers() or not self.answered:
            self.answered = now
        elif now - self.answered >= SILENT_SECONDS:
            log.warning("stack.broker_silent", seconds=round(now - self.answered, 1))
            self.broker.kill()
            self.answered = 0.0

    def stop(self) -> None:
        if self.broker is not None:
            self.broker.stop()
