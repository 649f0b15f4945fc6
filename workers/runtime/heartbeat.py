"""The beat of a worker: every two seconds a sign of life to the ledger, as long as the process can really work.

A worker that is stuck must look dead: when a vital sign fails the beat stops and the process ends, so that its jobs are
freed and a fresh one takes its place. When the ledger says that this boot is dead, its jobs belong to others already.
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
STILL_SECONDS = 3.0  # a beat that comes later than this: the process stood still, and what it looks at did too
PATIENCE_SECONDS = 1.0  # task threads whose engine stopped give their jobs back, uncharged, in this time

EXIT_DECLARED_DEAD = 70  # the ledger's row of this boot is dead
EXIT_UNWELL = 71  # the model's owner thread or the broker's consumer stopped working
EXIT_OVERDUE = 72  # told to end, and the grace period passed

Vital = Callable[[], str | None]  # None: well; else what is wrong


def end_process(code: int) -> None:
    """Ends this process now, whatever its threads do. Open transactions roll back; the ledger frees the jobs."""
    os._exit(code)


class Heart:
    """Beats in a thread of its own until `stop()`."""

    def __init__(
        self,
        beat: Callable[[], bool],
        vitals: Sequence[Vital] = (),
        *,
        die: Callable[[int], None] = end_process,
        period: float = BEAT_SECONDS,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`beat` tells the ledger and answers False when this boot is dead; it may raise Unavailable, which kills nobody."""
        self._beat = beat
        self._vitals = vitals
        self._die = die
        self._period = period
        self._patience = patience
        self._clock = clock
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hurry(self) -> None:
        """Look at the vital signs now: something just went wrong."""
        self._wake.set()

    def stop(self) -> None:
        """No beat after this returns."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            slept = self._clock()
            self._wake.wait(self._period)
            self._wake.clear()
            still = self._clock() - slept > self._period + STILL_SECONDS
            if self._stopped.is_set() or not self.once(trusting=still):
                return

    def once(self, *, trusting: bool = False) -> bool:
        """One beat. False: it was the last. `trusting`: the process stood still; the next beat asks how it is."""
        try:
            wrong = None if trusting else next((reason for vital in self._vitals if (reason := vital())), None)
            alive = wrong is None and self._beat()
        except Unavailable as err:
            log.warning("beat.failed", error=str(err))
            return True
        except Exception as err:
            # without a beat this process would live on, take nothing, and never hear that it is dead
            log.exception("beat.broke", error=type(err).__name__)
            wrong, alive = f"The beat broke: {type(err).__name__}.", False
        if wrong is not None:
            log.error("worker.unwell", reason=wrong, code=EXIT_UNWELL)
            self._stopped.wait(self._patience)
            self._die(EXIT_UNWELL)
            return False
        if not alive:
            log.error("worker.declared_dead", code=EXIT_DECLARED_DEAD)
            self._die(EXIT_DECLARED_DEAD)
        return alive
