"""The deliverer's loop: claims what is due, sends it on a few threads, records what came of it, and beats."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from tagger.delivery import AttemptReport, DeliveryClaim
from tagger.errors import LedgerUnavailable
from tagger.ledger import Ledger
from tagger.settings import Settings
from tagger.telemetry.logs import DELIVERIES, DELIVERY_SECONDS
from workers.deliver.attempt import attempt, failed_inside
from workers.deliver.events import Teller
from workers.deliver.transport import HttpTransport, Transport

LOG = structlog.get_logger(__name__)
T = TypeVar("T")

BEAT_S = 2.0
POLL_S = 0.25  # how long an idle deliverer waits before it looks again
GRACE_S = 3.0  # beyond the deadline of an attempt, for recording it
AWAY_S = 0.5  # between two tries while the ledger is away
SHARE = 4  # one endpoint may hold at most 1/SHARE of the threads, so that a slow one starves nobody


class _GaveUp(Exception):
    """The ledger stayed away until the end of the grace period."""


def run(
    settings: Settings,
    ledger: Ledger,
    stop: threading.Event,
    *,
    transport: Transport | None = None,
    rng: random.Random | None = None,
) -> bool:
    """Delivers until `stop` is set: then finishes what is under way and hands back the rest.

    True: stopped as asked. False: the ledger holds this worker for dead; the process must end, and another takes its place.
    """
    worker_id = str(uuid.uuid4())
    ledger.register_worker(worker_id, role="deliver", lane=None, host=socket.gethostname(), pid=os.getpid())
    LOG.info("deliverer_started", worker_id=worker_id, threads=settings.deliver_threads)
    sender = transport or HttpTransport()
    teller = Teller(settings, ledger, sender, random.Random())
    loop = _Loop(settings, ledger, worker_id, sender, rng or random.Random(), stop)
    told = threading.Event()
    telling = threading.Thread(target=teller.run, args=(told,), name="operator-events", daemon=True)
    telling.start()
    try:
        alive = loop.run()
    finally:
        told.set()
        telling.join(settings.deliver_seconds + GRACE_S)
        sender.close()
    if alive:
        try:
            ledger.retire_worker(worker_id)
        except LedgerUnavailable:
            LOG.warning("ledger_away", worker_id=worker_id)  # our silence will free what we held
    LOG.info("deliverer_stopped", worker_id=worker_id, alive=alive)
    return alive


class _Loop:
    def __init__(
        self, settings: Settings, ledger: Ledger, worker_id: str, transport: Transport, rng: random.Random, stop: threading.Event
    ) -> None:
        self._ledger, self._worker_id, self._transport, self._rng, self._stop = ledger, worker_id, transport, rng, stop
        self._seconds = settings.deliver_seconds
        self._threads = settings.deliver_threads
        self._per_site = max(1, self._threads // SHARE)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="deliver")
        self._changed = threading.Condition()  # guards the next three
        self._waiting: defaultdict[str, deque[DeliveryClaim]] = defaultdict(deque)
        self._running: Counter[str] = Counter()
        self._finished = False  # since the loop looked last
        self._ending = threading.Event()  # the grace period is over
        self._last_beat = time.monotonic()

    def run(self) -> bool:
        alive = True
        while alive and not self._stop.is_set():
            alive = self._beat()
            if alive and not self._fill():
                with self._changed:
                    self._changed.wait_for(lambda: self._finished, POLL_S)
                    self._finished = False
        return self._drain(alive)

    def _beat(self) -> bool:
        if time.monotonic() - self._last_beat < BEAT_S:
            return True
        try:
            alive = self._ledger.beat(self._worker_id)
        except LedgerUnavailable:
            LOG.warning("ledger_away", worker_id=self._worker_id)
            return True  # its outage is not our death
        self._last_beat = time.monotonic()
        if not alive:
            LOG.error("deliverer_held_for_dead", worker_id=self._worker_id)
        return alive

    def _fill(self) -> bool:
        """Claims for the free threads; True if there was anything to claim."""
        with self._changed:
            free = self._threads - self._running.total()
            busy = {s for s in {*self._running, *self._waiting} if self._running[s] + len(self._waiting[s]) >= 2 * self._per_site}
        if free <= 0:
            return False
        try:
            claims = self._ledger.claim_deliveries(worker_id=self._worker_id, limit=free, skip_sites=busy)
        except LedgerUnavailable:
            LOG.warning("ledger_away", worker_id=self._worker_id)
            self._stop.wait(AWAY_S)
            return False
        with self._changed:
            for claim in claims:
                self._waiting[claim.site_id].append(claim)
            self._start()
        return bool(claims)

    def _start(self) -> None:
        """Gives waiting claims to free threads, at most so many per site; none once it is to stop. Called with the lock."""
        if self._stop.is_set():
            return
        for site, claims in self._waiting.items():
            while claims and self._running[site] < self._per_site and self._running.total() < self._threads:
                self._running[site] += 1
                self._pool.submit(self._deliver, claims.popleft())

    def _deliver(self, claim: DeliveryClaim) -> None:
        try:
            self._send(claim)
        except _GaveUp:
            LOG.warning("delivery_left_behind", delivery_id=claim.delivery_id)  # retiring, or our death, hands it back
        except Exception:
            LOG.exception("delivery_not_recorded", delivery_id=claim.delivery_id)
        finally:
            with self._changed:
                self._running[claim.site_id] -= 1
                self._finished = True
                self._start()
                self._changed.notify_all()

    def _send(self, claim: DeliveryClaim) -> None:
        if not self._insist(lambda: self._ledger.confirm_delivery(claim)):
            LOG.info("delivery_overtaken", delivery_id=claim.delivery_id, sequence=claim.sequence)
            return
        started = time.monotonic()
        try:
            report = attempt(claim, self._transport, self._seconds)
        except Exception as err:
            LOG.exception("attempt_failed_inside", delivery_id=claim.delivery_id)
            report = failed_inside(err, round((time.monotonic() - started) * 1000))
        status = self._insist(lambda: self._ledger.finish_delivery(claim, report, self._rng))
        self._tell(claim, report, status or "stale")

    def _tell(self, claim: DeliveryClaim, report: AttemptReport, status: str) -> None:
        DELIVERIES.labels(report.result, claim.type).inc()
        DELIVERY_SECONDS.observe(report.duration_ms / 1000)
        LOG.log(
            20 if report.result in ("delivered", "gone") else 30,
            "delivery_attempted",
            delivery_id=claim.delivery_id, type=claim.type, job_id=claim.job_id, site_id=claim.site_id, number=claim.tries,
            result=report.result, http_status=report.status, ms=report.duration_ms, now=status,
            code=(report.error or {}).get("code"),
        )  # fmt: skip

    def _insist(self, call: Callable[[], T]) -> T:
        """Asks the ledger until it answers: an attempt that is not recorded would leave its delivery in the air."""
        while True:
            try:
                return call()
            except LedgerUnavailable:
                if self._ending.wait(AWAY_S):
                    raise _GaveUp from None

    def _drain(self, alive: bool) -> bool:
        """Lets what is under way end, within the grace period, and beats meanwhile."""
        with self._changed:
            for claims in self._waiting.values():
                claims.clear()
        until = time.monotonic() + self._seconds + GRACE_S
        while alive and time.monotonic() < until:
            with self._changed:
                if not self._running.total():
                    break
                self._changed.wait(POLL_S)
            alive = self._beat()
        self._ending.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        return alive
