"""One writer thread per process. Callers submit closures and wait. The thread runs all waiting closures in one transaction.

With 64 threads that each wrote for themselves, a thread waited up to 11 s, and a heartbeat of another process 4 s.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from tagger.errors import LedgerUnavailable
from tagger.ledger import clock_changes
from tagger.ledger.db import counters
from tagger.ledger.db.engine import Clock, begin, is_broken, is_transient, read_clock, translate

R = TypeVar("R")

MAX_GROUP = 60  # closures in one transaction; PostgreSQL keeps 64 savepoints in memory
GROUP_SECONDS = 0.2  # a heartbeat waits for at most about this long
WAIT_SECONDS = 40.0  # a caller gives up after this
DISTURBED_SECONDS = 2.5  # if a turn of the loop takes longer, this process or the ledger was stopped
GROUP_PAUSE_SECONDS = 0.001  # between groups: lets another process have SQLite's lock, and more closures gather


class Tx:
    """One group transaction, as a closure sees it. `now_ms` is the clock of the ledger at the start."""

    def __init__(self, conn: Connection, now_ms: int, calm_since_ms: int) -> None:
        self.conn = conn
        self.now_ms = now_ms
        self.calm_since_ms = calm_since_ms  # from this time on the ledger answered without a break
        self.memo: dict[Hashable, Any] = {}  # what was read (and locked) once for the whole group
        self.kept = counters.Deltas()
        self._mine = counters.Deltas()

    def add(self, scope: str, owner: str, word: str, delta: int) -> None:
        """Change a stored counter. The change is applied once per group, and only if the closure succeeds."""
        self._mine[scope, owner, word] += delta

    def keep(self) -> None:
        for key, delta in self._mine.items():
            self.kept[key] += delta
        self._mine.clear()

    def undo(self) -> None:
        self._mine.clear()
        self.memo.clear()  # a rollback of the savepoint releases its locks


@dataclass(eq=False)
class _Item:
    work: Callable[[Tx], Any]
    durable: bool
    future: Future[Any] = field(default_factory=Future)
    started: bool = False
    tries: int = 0

    def start(self) -> bool:
        """False: the caller stopped waiting before the closure ran."""
        self.started = self.started or self.future.set_running_or_notify_cancel()
        return self.started


class Writer:
    def __init__(self, engine: Engine, clock: Clock | None, group_pause_seconds: float) -> None:
        self._engine = engine
        self._clock = clock
        self._group_pause_seconds = group_pause_seconds
        self._urgent: deque[_Item] = deque()
        self._normal: deque[_Item] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._disturbed = True  # a start counts as an interruption
        self._calm_since_ms = 0
        self._last_ms = 0  # the ledger's clock in the last transaction that was committed
        self._seen = time.time()
        self._thread = threading.Thread(target=self._loop, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Tx], R], *, urgent: bool = False, durable: bool = True) -> R:
        """Run `work` inside the next group and return its result once that is committed.

        `durable`: the commit also waits for the disk. Without it, a power cut may undo the commit, together with all later ones.

        Errors: the error of `work`. LedgerUnavailable if the database does not answer; then the commit may or may not be done.
        """
        item = _Item(work, durable)
        with self._wake:
            if self._closing:
                raise LedgerUnavailable("The ledger is closed.")
            (self._urgent if urgent else self._normal).append(item)
            self._wake.notify()
        try:
            result: R = item.future.result(WAIT_SECONDS)
        except FutureTimeout:
            item.future.cancel()
            raise LedgerUnavailable(f"The ledger did not answer within {WAIT_SECONDS:.0f} s.") from None
        except CancelledError:
            raise LedgerUnavailable("The ledger is closed.") from None
        return result

    def set_back(self, now_ms: int) -> bool:
        """Whether the ledger's clock was set back since the last transaction."""
        return now_ms < self._last_ms - clock_changes.AHEAD_MS

    def close(self) -> None:
        """Run the waiting closures, then end the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _loop(self) -> None:
        while True:
            with self._wake:
                while not (self._urgent or self._normal or self._closing):
                    self._wake.wait(1.0)
                    self._witness()
                group = self._take()
            if not group:
                return
            self._run(group)
            time.sleep(self._group_pause_seconds)

    def _take(self) -> list[_Item]:
        """Heartbeats go first, in a transaction of their own. Else all waiting closures, up to a limit."""
        if self._urgent:
            group = list(self._urgent)
            self._urgent.clear()
            return group
        return [self._normal.popleft() for _ in range(min(MAX_GROUP, len(self._normal)))]

    def _witness(self) -> None:
        """Detect an interruption: a stopped process, a sleeping machine, a lock held for long, or a clock that was set."""
        now = time.time()
        if abs(now - self._seen) > DISTURBED_SECONDS:
            self._disturbed = True
        self._seen = now

    def _run(self, group: list[_Item]) -> None:
        settled: list[tuple[_Item, Any, BaseException | None]] = []
        group = [item for item in group if item.start()]
        if not group:
            return
        again: list[_Item] = []
        try:
            durable = any(item.durable for item in group)
            with self._engine.connect() as conn, begin(conn, durable=durable):
                tx = self._begin(conn)
                began = time.monotonic()
                for item in group:
                    if time.monotonic() - began > GROUP_SECONDS:
                        again.append(item)
                        continue
                    result, error = self._one(tx, item)
                    if error is not None and is_transient(error) and item.tries < 3:
                        item.tries += 1
                        again.append(item)
                    else:
                        settled.append((item, result, error))
                counters.apply(conn, tx.kept)
        except Exception as err:  # noqa: BLE001 - every waiting caller gets it
            self._disturbed = True
            away = translate(err)
            for item in group:
                item.future.set_exception(away)
            return
        self._witness()
        self._last_ms = tx.now_ms
        for item, result, error in settled:
            if error is None:
                item.future.set_result(result)
            else:
                item.future.set_exception(translate(error))
        self._give_back(again)

    def _begin(self, conn: Connection) -> Tx:
        self._witness()  # the wait for the lock counts
        now = self._clock() if self._clock else read_clock(conn)
        if self.set_back(now):  # a silent worker and a healthy one cannot be distinguished
            self._disturbed = True
            clock_changes.mend(conn, now)
        if self._disturbed:
            self._disturbed, self._calm_since_ms = False, now
        return Tx(conn, now, self._calm_since_ms)

    def _one(self, tx: Tx, item: _Item) -> tuple[Any, BaseException | None]:
        """Run one closure in a savepoint. If it fails, the other closures are not affected."""
        driver: Any = tx.conn.connection.driver_connection  # three times as fast as SQLAlchemy, and used three times per job
        driver.execute("SAVEPOINT one")
        try:
            result = item.work(tx)
        except Exception as err:
            if is_broken(err):
                raise
            tx.undo()
            driver.execute("ROLLBACK TO SAVEPOINT one")
            driver.execute("RELEASE SAVEPOINT one")
            return None, err
        driver.execute("RELEASE SAVEPOINT one")
        tx.keep()
        return result, None

    def _give_back(self, items: list[_Item]) -> None:
        """Return closures to the front of the queue, in order. Reason: the group ran out of time, or a deadlock aborted one."""
        with self._wake:
            self._normal.extendleft(reversed(items))
