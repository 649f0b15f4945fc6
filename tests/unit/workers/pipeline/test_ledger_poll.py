"""A worker without hints."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tagger.errors import LedgerUnavailable
from workers.pipeline.ledger_poll import LedgerPoll


class Lane:
    """Jobs that are due, hints that come or not, and a ledger that is there or not."""

    def __init__(self, jobs: int) -> None:
        self.jobs, self.done, self.asked = jobs, 0, 0
        self.hints = False
        self.away = 0
        self.changed = threading.Condition()
        self.stopping = threading.Event()

    def due(self) -> bool:
        with self.changed:
            self.asked += 1
            self.changed.notify_all()
            if self.away:
                self.away -= 1
                raise LedgerUnavailable("away")
            return self.jobs > self.done

    def take(self) -> bool:
        with self.changed:
            taken = self.jobs > self.done
            self.done += taken
            self.changed.notify_all()
            return taken

    def until(self, done: int = 0, asked: int = 0) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.done >= done and self.asked >= asked, 10)

    @contextmanager
    def polled(self) -> Iterator[None]:
        poll = LedgerPoll(
            due=self.due, claim=self.take, idle=lambda: not self.hints, threads=3, stopping=self.stopping, period=0.001
        )
        poll.start()
        yield
        self.stopping.set()
        poll.stop()


def test_without_hints_all_that_is_due_is_done_and_later_what_comes() -> None:
    lane = Lane(20)
    with lane.polled():
        lane.until(done=20)
        lane.jobs = 25
        lane.until(done=25)


def test_a_ledger_that_is_away_is_asked_again() -> None:
    lane = Lane(1)
    lane.away = 2
    with lane.polled():
        lane.until(done=1, asked=3)


def test_while_hints_come_the_ledger_is_not_asked() -> None:
    lane = Lane(5)
    lane.hints = True
    with lane.polled():
        assert not lane.stopping.wait(0.05)
        assert (lane.asked, lane.done) == (0, 0)
        lane.hints = False
        lane.until(done=5)
