"""The deliver worker's loop: claims due deliveries, sends them in a few threads, records each attempt."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

import structlog

from tagger.delivery import AttemptReport, DeliveryClaim
from tagger.errors import LedgerUnavailable
from tagger.ledger import Ledger
from tagger.settings import Settings
from tagger.telemetry import tracing
from tagger.telemetry.metrics import DELIVERY_ATTEMPTS, DELIVERY_SECONDS, ENDPOINT_ATTEMPTS, FIELD_OUTCOMES
from workers.deliver.attempt import attempt, failed_inside
from workers.deliver.events import EventSender
from workers.deliver.transport import HttpTransport, Transport
from workers.runtime.retry import retry

LOG = structlog.get_logger(__name__)
T = TypeVar("T")

POLL_SECONDS = 0.25  # how long an idle worker waits before it asks for due deliveries again
GRACE_SECONDS = 3.0  # after the deadline of an attempt, to record it
RETRY_SECONDS = 0.5  # between two tries while the ledger is away
SHARE = 4  # one site may use at most 1/SHARE of the threads, so that a slow endpoint does not delay the others


class _GaveUp(Exception):
    """The ledger stayed away until the end of the grace period."""


def run(
    settings: Settings,
    ledger: Ledger,
    worker_id: str,
    stop: threading.Event,
    *,
    transport: Transport | None = None,
    rng: random.Random | None = None,
    on_turn: Callable[[], None] = lambda: None,
) -> None:
    """Delivers as this registered worker until `stop` is set; then finishes the attempts in progress. `on_turn` is called at each
    turn of the loop.

    Whoever registered the worker sends its heartbeats meanwhile, and releases the other claims when it retires the worker.
    """
    sender = transport or HttpTransport()
    event_sender = EventSender(settings, ledger, sender, random.Random())
    loop = _Loop(settings, ledger, worker_id, sender, rng or random.Random(), stop, on_turn)
    events_stop = threading.Event()
    events_thread = threading.Thread(target=event_sender.run, args=(events_stop,), name="operator-events", daemon=True)
    events_thread.start()
    try:
        loop.run()
    finally:
        events_stop.set()
        events_thread.join(settings.deliver_seconds + GRACE_SECONDS)
        sender.close()


class _Loop:
    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        worker_id: str,
        transport: Transport,
        rng: random.Random,
        stop: threading.Event,
        on_turn: Callable[[], None],
    ) -> None:
        self._ledger, self._worker_id, self._transport, self._rng, self._stop = ledger, worker_id, transport, rng, stop
        self._on_turn = on_turn
        self._seconds = settings.deliver_seconds
        self._threads = settings.deliver_threads
        self._per_site = max(1, self._threads // SHARE)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="deliver")
        self._changed = threading.Condition()  # guards the next three
        self._waiting: defaultdict[str, deque[DeliveryClaim]] = defaultdict(deque)
        self._running: Counter[str] = Counter()
        self._room = False  # since the loop looked last, an attempt ended whose site may be given more
        self._ending = threading.Event()  # the grace period is over

    def run(self) -> None:
        while not self._stop.is_set():
            self._on_turn()
            if not self._fill():
                with self._changed:
                    self._changed.wait_for(lambda: self._room, POLL_SECONDS)
        self._drain()

    def _fill(self) -> bool:
        """Claims deliveries for the free threads. True if there were any."""
        with self._changed:
            self._room = False  # this claim is for it
            free = self._threads - self._running.total()
            busy = {site for site in {*self._running, *self._waiting} if self._holds_enough(site)}
        if free <= 0:
            return False
        try:
            claims = self._ledger.claim_deliveries(worker_id=self._worker_id, limit=free, skip_sites=busy)
        except LedgerUnavailable:
            LOG.warning("claim.failed", worker=self._worker_id)
            self._stop.wait(RETRY_SECONDS)
            return False
        with self._changed:
            for claim in claims:
                self._waiting[claim.site_id].append(claim)
            self._start()
        return bool(claims)

    def _holds_enough(self, site: str) -> bool:
        return self._running[site] + len(self._waiting[site]) >= 2 * self._per_site

    def _start(self) -> None:
        """Gives waiting claims to free threads, at most `_per_site` per site; none after `stop`. Call it with the lock held."""
        if self._stop.is_set():
            return
        for site, claims in self._waiting.items():
            while claims and self._running[site] < self._per_site and self._running.total() < self._threads:
                self._running[site] += 1
                self._pool.submit(self._deliver, claims.popleft())

    def _deliver(self, claim: DeliveryClaim) -> None:
        try:
            with _span(claim) as span:
                self._send(claim, span)
        except _GaveUp:
            LOG.warning("delivery.abandoned", delivery=claim.delivery_id)  # released when this worker retires or expires
        except Exception as err:
            LOG.exception("delivery.record_failed", delivery=claim.delivery_id, error=type(err).__name__)
        finally:
            with self._changed:
                self._running[claim.site_id] -= 1
                # While this site holds enough, a claim would bring nothing of it: beside one site with a backlog, a claim after
                # each attempt took two fifths of the process's time.
                self._room = self._room or not self._holds_enough(claim.site_id)
                self._start()
                self._changed.notify_all()

    def _send(self, claim: DeliveryClaim, span: tracing.Span) -> None:
        if not self._insist(lambda: self._ledger.confirm_delivery(claim)):
            LOG.info("delivery.superseded", delivery=claim.delivery_id, sequence=claim.sequence)
            return
        started = time.monotonic()
        try:
            report = attempt(claim, self._transport, self._seconds)
        except Exception as err:
            LOG.exception("attempt.raised", delivery=claim.delivery_id, error=type(err).__name__)
            report = failed_inside(err, round((time.monotonic() - started) * 1000))
        status = self._insist(lambda: self._ledger.finish_delivery(claim, report, self._rng))
        span.set(result=report.result, http_status=report.status, status=status or "stale")
        self._report(claim, report, status or "stale")

    def _report(self, claim: DeliveryClaim, report: AttemptReport, status: str) -> None:
        DELIVERY_ATTEMPTS.labels(report.result, claim.type).inc()
        ENDPOINT_ATTEMPTS.labels(claim.site_id, report.result).inc()
        for outcome in report.outcomes:
            FIELD_OUTCOMES.labels(outcome.field, outcome.outcome).inc()
        DELIVERY_SECONDS.observe(report.duration_ms / 1000)
        LOG.log(
            20 if report.result in ("delivered", "gone") else 30,
            "delivery.attempted",
            delivery=claim.delivery_id, type=claim.type, job=claim.job_id, site=claim.site_id, attempt=claim.attempts,
            result=report.result, http_status=report.status, duration_ms=report.duration_ms, status=status,
            code=(report.error or {}).get("code"),
        )  # fmt: skip

    def _insist(self, call: Callable[[], T]) -> T:
        """Retries while the ledger is away: an attempt that is not recorded leaves its delivery without an outcome."""
        try:
            return retry(call, waits=(RETRY_SECONDS,), give_up=self._ending.wait)
        except LedgerUnavailable:
            raise _GaveUp from None

    def _drain(self) -> None:
        """Lets the attempts in progress finish within the grace period."""
        with self._changed:
            for claims in self._waiting.values():
                claims.clear()
            self._changed.wait_for(lambda: not self._running.total(), self._seconds + GRACE_SECONDS)
        self._ending.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _span(claim: DeliveryClaim) -> AbstractContextManager[tracing.Span]:
    return tracing.span(
        "deliver", kind="client", parent=claim.trace,
        delivery=claim.delivery_id, job=claim.job_id, site=claim.site_id, asset=claim.asset_id, attempt=claim.attempts,
    )  # fmt: skip
