"""A worker's heartbeat: every two seconds it renews the worker's lease in the ledger, as long as the process can work.

If a health check fails, the heartbeat stops and the process ends, so that its jobs become claimable and the supervisor starts
a new process. If the ledger says that this worker is dead, its jobs belong to others already, and the process ends too.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from tagger.errors import Unavailable

log = structlog.get_logger()

BEAT_SECONDS = 2.0
STILL_SECONDS = 3.0  # if a beat is later than this, the process was suspended, and so was what the checks look at
BUSY_SHARE = 0.5  # of the processor time that one thread could have had: a worker that computes uses more
PATIENCE_SECONDS = 1.0  # if an engine stopped, its task threads release their jobs, uncharged, in this time

EXIT_DECLARED_DEAD = 70  # the ledger's row of this worker is dead
EXIT_UNHEALTHY = 71  # the model's owner thread or the broker's consumer stopped working

HealthCheck = Callable[[], str | None]  # None: healthy; else the problem


def end_process(code: int) -> None:
    """Ends this process now, whatever its threads do. Open transactions roll back; the jobs' leases expire."""
    os._exit(code)


class Heartbeat:
    """Runs in its own thread until `stop()`."""

    def __init__(
        self,
        beat: Callable[[], bool],
        health_checks: Sequence[HealthCheck] = (),
        *,
        die: Callable[[int], None] = end_process,
        period: float = BEAT_SECONDS,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        processor_clock: Callable[[], float] = time.process_time,
    ) -> None:
        """`beat` writes to the ledger and returns False if this worker is dead. If it raises Unavailable, the process goes on."""
        self._beat = beat
        self._health_checks = health_checks
        self._die = die
        self._period = period
        self._patience = patience
        self._clock = clock
        self._processor_clock = processor_clock
        self.on_starved: Callable[[], object] = lambda: None  # before a worker ends that was dead because it got no processor
        self._last = (clock(), processor_clock())  # at the last beat that the ledger took
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def check_now(self) -> None:
        """Run the health checks now, because something just failed."""
        self._wake.set()

    def stop(self) -> None:
        """After this returns there is no further beat."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            slept = self._clock()
            self._wake.wait(self._period)
            self._wake.clear()
            suspended = self._clock() - slept > self._period + STILL_SECONDS
            if self._stopped.is_set() or not self.once(skip_checks=suspended):
                return

    def once(self, *, skip_checks: bool = False) -> bool:
        """One beat. False: it was the last. `skip_checks`: the process was suspended; the next beat runs the checks."""
        try:
            problem = None if skip_checks else next((reason for check in self._health_checks if (reason := check())), None)
            alive = problem is None and self._beat()
        except Unavailable as err:
            log.warning("heartbeat.failed", error=str(err))
            return True
        except Exception as err:
            # without a heartbeat this process would go on, claim nothing, and never learn that it is dead
            log.exception("heartbeat.raised", error=type(err).__name__)
            problem, alive = f"The heartbeat raised {type(err).__name__}.", False
        if problem is not None:
            try:
                log.error("worker.health_failed", reason=problem, code=EXIT_UNHEALTHY)
                self._stopped.wait(self._patience)
            finally:
                self._die(EXIT_UNHEALTHY)
            return False
        if not alive:
            try:
                starved = self._starved()
                log.error("worker.declared_dead", code=EXIT_DECLARED_DEAD, starved=starved)
                if starved:
                    self._tell_starved()
            finally:
                self._die(EXIT_DECLARED_DEAD)
        self._last = (self._clock(), self._processor_clock())
        return alive

    def _starved(self) -> bool:
        """Whether the process hardly computed since its last beat. One that an image kept busy did."""
        clock, processor_clock = self._last
        return self._processor_clock() - processor_clock < BUSY_SHARE * (self._clock() - clock)

    def _tell_starved(self) -> None:
        try:
            self.on_starved()
        except Unavailable as err:
            log.warning("heartbeat.raised", error=type(err).__name__)
        except Exception as err:  # a worker that was declared dead ends in any case
            log.exception("heartbeat.raised", error=type(err).__name__)
