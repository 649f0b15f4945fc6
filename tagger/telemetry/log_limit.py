"""A limit on how often one kind of complaint is logged: whoever can make us write it cannot fill the disk with it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import structlog

WINDOW_SECONDS = 10.0
LINES = 100  # of one kind in a window
REFUSED = "request.refused"
KINDS = 1_000  # counted apart; the code has fewer


class LogLimit(logging.Filter):
    """Passes the first lines of a kind in each window; a line in the next window says how many there were beyond them.

    Limited are warnings and worse, and refused requests. A kind is a logger, a level and an event (of the standard library's
    loggers: the message before its arguments are filled in).
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._since = now()
        self._seen: dict[tuple[str, int, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        self._turn()
        event = _event(record)
        if record.levelno < logging.WARNING and event != REFUSED:
            return True
        kind = (record.name, record.levelno, event)
        if kind not in self._seen and len(self._seen) >= KINDS:
            kind = (record.name, record.levelno, "")
        self._seen[kind] = seen = self._seen.get(kind, 0) + 1
        return seen <= LINES

    def _turn(self) -> None:
        now = self._now()
        if now - self._since < WINDOW_SECONDS:
            return
        beyond = {kind: seen - LINES for kind, seen in self._seen.items() if seen > LINES}
        self._since, self._seen = now, {}
        for (name, level, event), lines in beyond.items():
            structlog.get_logger(name).log(level, "log.suppressed", kind=event, lines=lines)


def _event(record: logging.LogRecord) -> str:
    if isinstance(record.msg, dict):  # structlog's events come so
        return str(record.msg.get("event", ""))
    return str(record.msg)[:80]
