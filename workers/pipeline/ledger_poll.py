"""Without hints a worker asks the ledger itself, slowly: hints are only hints, and a broker may be stopped, away or wrong.

While hints come, nothing is asked. When none came for a while and a thread is free, one indexed read every two seconds tells
whether the lane has a job that is due; then jobs are claimed one after the other, until none is due or hints come again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from tagger.errors import Unavailable

log = structlog.get_logger()

QUIET_SECONDS = 4.0  # without a hint
POLL_SECONDS = 2.0


class LedgerPoll:
    """Its threads begin with `start` and end with `stop`."""

    def __init__(
        self,
        *,
        due: Callable[[], bool],
        take: Callable[[], bool],
        quiet: Callable[[], bool],
        threads: int,
        stopping: threading.Event,
        period: float = POLL_SECONDS,
    ) -> None:
        """`due`: whether the lane has a job to claim. `take`: claims and does one; False: there was none. `quiet`: whether no
        hints come, and somebody is free.
        """
        self._due = due
        self._take = take
        self._quiet = quiet
        self._threads = threads
        self._stopping = stopping
        self._period = period
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="poll")
        self._lock = threading.Lock()
        self._busy = 0
        self._thread = threading.Thread(target=self._run, name="ledger-poll", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """When `stopping` is set: waits for the images that run."""
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.wait(self._period):
            try:
                if self._quiet() and self._due():
                    self._begin()
            except Unavailable as err:
                log.debug("poll.failed", error=str(err))
            except Exception as err:
                log.exception("poll.broke", error=type(err).__name__)

    def _begin(self) -> None:
        with self._lock:
            free, self._busy = self._threads - self._busy, self._threads
        if free:
            log.info("poll.claims", threads=free)
        for _ in range(free):
            self._pool.submit(self._drain)

    def _drain(self) -> None:
        try:
            while not self._stopping.is_set() and self._quiet() and self._take():
                pass
        except Exception as err:
            log.exception("poll.broke", error=type(err).__name__)
        finally:
            with self._lock:
                self._busy -= 1
