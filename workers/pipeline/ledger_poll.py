"""Polls the ledger for due jobs when no hints come: the broker may be stopped, away or wrong.

While hints come, there is no poll. If none came for QUIET_SECONDS and a thread is free, one indexed read every two seconds tells
whether a job of the lane is due. Then jobs are claimed one after the other, until none is due or hints come again.
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
    """`start` starts its threads, `stop` ends them."""

    def __init__(
        self,
        *,
        due: Callable[[], bool],
        claim: Callable[[], bool],
        idle: Callable[[], bool],
        threads: int,
        stopping: threading.Event,
        period: float = POLL_SECONDS,
    ) -> None:
        """`due`: whether a job of the lane is due. `claim`: claims and describes one job; False: there was none. `idle`: whether
        no hints come.
        """
        self._due = due
        self._claim = claim
        self._idle = idle
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
        """Waits for the images in progress. Call it when `stopping` is set."""
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.wait(self._period):
            try:
                if self._idle() and self._due():
                    self._begin()
            except Unavailable as err:
                log.debug("poll.failed", error=str(err))
            except Exception as err:
                log.exception("poll.raised", error=type(err).__name__)

    def _begin(self) -> None:
        with self._lock:
            free, self._busy = self._threads - self._busy, self._threads
        if free:
            log.info("poll.started", threads=free)
        for _ in range(free):
            self._pool.submit(self._drain)

    def _drain(self) -> None:
        try:
            while not self._stopping.is_set() and self._idle() and self._claim():
                pass
        except Exception as err:
            log.exception("poll.raised", error=type(err).__name__)
        finally:
            with self._lock:
                self._busy -= 1
