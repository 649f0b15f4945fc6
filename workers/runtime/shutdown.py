"""How a worker process shuts down: a signal requests it, running work may finish, and the grace period limits the time."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

import structlog

log = structlog.get_logger()

GRACE_SECONDS = 25.0  # the supervisor kills after 30 seconds, as Kubernetes does by default
LAST_SECONDS = 3.0  # for releasing what did not finish


class Shutdown:
    """SIGTERM and SIGINT request the shutdown; a second one ends the grace period. SIGHUP only requests it; the kernel also
    sends SIGHUP when the parent dies.
    """

    def __init__(
        self,
        on_request: Callable[[], None],
        release: Callable[[], None],
        *,
        grace: float = GRACE_SECONDS,
        exit_now: Callable[[int], None] = os._exit,
    ) -> None:
        """`on_request` runs in the signal handler. `release` runs after the grace period, and may take LAST_SECONDS."""
        self.requested = threading.Event()
        self._hurry = threading.Event()
        self._done = threading.Event()
        self._on_request = on_request
        self._release = release
        self._grace = grace
        self._exit_now = exit_now

    def install(self) -> None:
        """Call in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._handle)
        threading.Thread(target=self._guard, name="shutdown", daemon=True).start()

    def done(self) -> None:
        """Call when all work has finished: the process then exits by itself."""
        self._done.set()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.requested.is_set():
            if number != signal.SIGHUP:
                self._hurry.set()
            return
        self.requested.set()
        self._on_request()

    def _guard(self) -> None:
        self.requested.wait()
        log.info("worker.shutdown_requested", grace_seconds=self._grace)
        self._hurry.wait(self._grace)
        if self._done.is_set():
            return
        log.warning("worker.grace_ended", second_signal=self._hurry.is_set())
        last = threading.Thread(target=self._release, name="release", daemon=True)
        last.start()
        last.join(LAST_SECONDS)
        self._exit_now(0)
