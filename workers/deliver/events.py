"""Reports operator events: each once in the log and in the metrics, then by a signed webhook if one is configured."""

from __future__ import annotations

import random
import threading
import time

import structlog

from tagger import operator_event
from tagger.delivery import Endpoint, wait_ms
from tagger.errors import BadRequest, DeliveryError, LedgerUnavailable, SettingsError
from tagger.ledger import Ledger
from tagger.net import signing
from tagger.net.signed_message import headers
from tagger.operator_event import OperatorEvent
from tagger.settings import Settings
from tagger.telemetry.metrics import EVENTS
from workers.deliver.attempt import patience_ms
from workers.deliver.transport import Transport

LOG = structlog.get_logger(__name__)

PERIOD_SECONDS = 1.0
LIMIT = 8  # events that one process claims at once
MARGIN_MS = 60_000


def operator_endpoint(settings: Settings) -> Endpoint | None:
    """Where operator events are sent. Errors: SettingsError if the secret is missing or not valid."""
    if not settings.events_url:
        return None
    secret = settings.events_secret.get_secret_value() if settings.events_secret else ""
    try:
        signing.key_of(secret)
    except BadRequest as err:
        raise SettingsError(f"events_secret: {err}") from err
    return Endpoint(id="operator", site_id="", url=settings.events_url, secrets=(secret,), allow_private=settings.events_private)


class EventSender:
    def __init__(self, settings: Settings, ledger: Ledger, transport: Transport, rng: random.Random) -> None:
        self._ledger, self._transport, self._rng = ledger, transport, rng
        self._endpoint = operator_endpoint(settings)
        self._seconds = settings.deliver_seconds

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(PERIOD_SECONDS):
            try:
                self.step(stop)
            except LedgerUnavailable:
                LOG.warning("operator_event.claim_failed")  # the events stay in the ledger
            except Exception as err:
                # the events are due again when their lease is over
                LOG.exception("operator_event.raised", error=type(err).__name__)

    def step(self, stop: threading.Event) -> None:
        """Reports the due events, one after the other."""
        lease_ms = round(LIMIT * self._seconds * 1000) + MARGIN_MS
        for event in self._ledger.claim_events(limit=LIMIT, lease_ms=lease_ms):
            if stop.is_set():
                return
            self._report(event)

    def _report(self, event: OperatorEvent) -> None:
        if not event.told:
            EVENTS.labels(event.type).inc()
            LOG.error(event.type, event_id=event.id, **event.data)
        if self._endpoint is None:
            self._ledger.finish_event(event.id)
            return
        problem, asked_ms = self._send(self._endpoint, event)
        if problem is None:
            self._ledger.finish_event(event.id)
            return
        wait = wait_ms(event.attempts + 1, self._rng, asked_ms)
        LOG.warning("operator_event.refused", event_id=event.id, event_type=event.type, reason=problem, given_up=wait is None)
        self._ledger.finish_event(event.id, wait_ms=wait, spent=True)

    def _send(self, endpoint: Endpoint, event: OperatorEvent) -> tuple[str | None, int | None]:
        """The problem, and how many milliseconds the receiver asks us to wait; (None, None) after success."""
        body = operator_event.body(event)
        try:
            reply = self._transport.post(endpoint, headers(endpoint, event.id, int(time.time()), body), body, self._seconds)
        except DeliveryError as err:
            return str(err), None
        if 200 <= reply.status < 300:
            return None, None
        return f"It answered {reply.status}.", patience_ms(reply, time.time())
