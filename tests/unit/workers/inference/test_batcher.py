"""The queue of a model without its own thread: the test acts as the owner thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tagger.errors import BatchOverdue, EngineStopped, PoisonImage
from workers.inference.batcher import Batcher, Entry
from workers.inference.budget import Budget

FAR = 10.0  # seconds; far enough for any machine, near enough for a test that hangs


class Waiter(threading.Thread):
    """One task thread that submits one item and keeps what came of it."""

    def __init__(self, batcher: Batcher[Any, Any], item: Any, *, size: float = 1.0, seconds: float = FAR) -> None:
        super().__init__(daemon=True)
        self.batcher, self.item, self.size = batcher, item, size
        self.deadline = time.monotonic() + seconds
        self.result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self.batcher.submit(self.item, size=self.size, deadline=self.deadline)
        except Exception as err:  # noqa: BLE001 - kept for the test
            self.result = err

    def outcome(self) -> Any:
        self.join(FAR)
        assert not self.is_alive(), f"{self.item} still waits"
        return self.result


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + FAR
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.001)


def batcher(max_batch: int = 4, *, max_units: float | None = None, **options: Any) -> Batcher[Any, Any]:
    return Batcher(Budget(max_batch=max_batch, max_units=max_units), **{"wait_ms": 0, **options})


def in_order(queue: Batcher[Any, Any], items: list[tuple[str, float]]) -> list[Waiter]:
    """Submit one after the other, so that the order in the queue is known."""
    waiters = []
    for number, (item, size) in enumerate(items, start=1):
        waiters.append(Waiter(queue, item, size=size))
        until(lambda n=number: len(queue) == n)  # type: ignore[misc]
    return waiters


def names(batch: list[Entry[Any, Any]] | None) -> list[str]:
    assert batch is not None
    return [entry.item for entry in batch]


def answer(batch: list[Entry[Any, Any]] | None) -> None:
    for entry in batch or []:
        entry.answer.set_result(entry.item.upper())


def test_each_waiter_gets_its_own_result() -> None:
    queue = batcher()
    waiters = in_order(queue, [("a", 1), ("b", 1), ("c", 1)])
    answer(queue.take())
    assert [w.outcome() for w in waiters] == ["A", "B", "C"]


def test_a_batch_closes_on_its_count_and_keeps_the_order() -> None:
    queue = batcher(max_batch=2)
    waiters = in_order(queue, [("a", 1), ("b", 1), ("c", 1)])
    first = queue.take()
    second = queue.take()
    assert (names(first), names(second)) == (["a", "b"], ["c"])
    answer(first)
    answer(second)
    assert [w.outcome() for w in waiters] == ["A", "B", "C"]


def test_an_item_over_the_budget_heads_the_next_batch_and_nobody_overtakes_it() -> None:
    queue = batcher(max_batch=8, max_units=10)
    waiters = in_order(queue, [("a", 6), ("big", 7), ("small", 1), ("huge", 50), ("z", 1)])
    batches = [queue.take() for _ in range(4)]
    assert [names(b) for b in batches] == [["a"], ["big", "small"], ["huge"], ["z"]]
    for batch in batches:
        answer(batch)
    assert waiters[3].outcome() == "HUGE"


def test_without_patience_each_item_goes_alone_and_at_once() -> None:
    backlog = [False]
    queue = batcher(max_batch=4, wait_ms=60_000, patient=lambda: backlog[0])
    waiters = in_order(queue, [(name, 1) for name in "abcdef"])
    started = time.monotonic()
    first, second = queue.take(), queue.take()
    assert time.monotonic() - started < FAR / 2
    backlog[0] = True
    third = queue.take()
    assert [names(batch) for batch in (first, second, third)] == [["a"], ["b"], ["c", "d", "e", "f"]]
    for batch in (first, second, third):
        answer(batch)
    assert [w.outcome() for w in waiters] == list("ABCDEF")


def test_a_full_batch_does_not_wait_and_a_lonely_one_waits_only_so_long() -> None:
    queue = batcher(max_batch=2, wait_ms=60)
    waiters = in_order(queue, [("a", 1), ("b", 1), ("c", 1)])
    started = time.monotonic()
    answer(queue.take())
    full = time.monotonic() - started
    answer(queue.take())
    lonely = time.monotonic() - started - full
    assert full < 0.05 < 0.06 <= lonely < 1
    assert [w.outcome() for w in waiters] == ["A", "B", "C"]


def test_take_comes_back_empty_when_there_is_no_work() -> None:
    assert batcher().take(timeout=0.01) == []


def test_overdue_items_are_dropped_before_they_cost_device_time() -> None:
    skew = 0.0
    queue = batcher(clock=lambda: time.monotonic() + skew)
    late, fresh = Waiter(queue, "late", seconds=5), Waiter(queue, "fresh", seconds=90)
    until(lambda: len(queue) == 2)
    skew = 60.0  # the batch before took a minute
    batch = queue.take()
    assert names(batch) == ["fresh"]
    assert isinstance(late.outcome(), BatchOverdue), "told at once, not at its own time-out"
    answer(batch)
    assert fresh.outcome() == "FRESH"


def test_an_item_whose_waiter_gave_up_is_not_run() -> None:
    queue = batcher()
    gone = Waiter(queue, "gone", seconds=0.01)
    assert isinstance(gone.outcome(), BatchOverdue)
    stays = Waiter(queue, "stays")
    until(lambda: len(queue) == 2)
    batch = queue.take()
    assert names(batch) == ["stays"]
    answer(batch)
    assert stays.outcome() == "STAYS"


def test_a_result_that_comes_after_the_deadline_is_discarded() -> None:
    queue = batcher()
    waiter = Waiter(queue, "slow", seconds=0.05)
    until(lambda: len(queue) == 1)
    batch = queue.take()
    assert isinstance(waiter.outcome(), BatchOverdue)
    answer(batch)


def test_a_full_queue_holds_the_task_threads_back_first_come_first_served() -> None:
    queue = batcher(max_batch=2, max_waiting=2)
    waiters = in_order(queue, [("a", 1), ("b", 1)])
    for number, name in enumerate(["c", "d"], start=1):
        waiters.append(Waiter(queue, name))
        until(lambda n=number: len(queue._outside) == n)  # type: ignore[misc]
    assert len(queue) == 2
    batch = queue.take()
    assert names(batch) == ["a", "b"]
    until(lambda: len(queue) == 2)
    answer(batch)
    batch = queue.take()
    assert names(batch) == ["c", "d"]
    answer(batch)
    assert [w.outcome() for w in waiters] == ["A", "B", "C", "D"]


def test_back_pressure_ends_at_the_deadline() -> None:
    queue = batcher(max_batch=1, max_waiting=1)
    first = Waiter(queue, "first")
    until(lambda: len(queue) == 1)
    assert isinstance(Waiter(queue, "second", seconds=0.02).outcome(), BatchOverdue)
    answer(queue.take())
    assert first.outcome() == "FIRST"


def test_close_finishes_what_is_in_and_refuses_what_comes() -> None:
    queue = batcher(max_batch=1, max_waiting=1)
    inside = Waiter(queue, "inside")
    until(lambda: len(queue) == 1)
    outside = Waiter(queue, "outside")
    until(lambda: len(queue._outside) == 1)
    queue.close()
    assert isinstance(outside.outcome(), EngineStopped)
    with pytest.raises(EngineStopped):
        queue.submit("late", deadline=time.monotonic() + FAR)
    answer(queue.take())
    assert inside.outcome() == "INSIDE"
    assert queue.take() is None


def test_abort_leaves_nobody_waiting() -> None:
    queue = batcher()
    waiters = in_order(queue, [("a", 1), ("b", 1)])
    queue.abort("gone")
    assert [type(w.outcome()) for w in waiters] == [EngineStopped, EngineStopped]
    assert queue.take() is None


def test_an_error_reaches_only_its_own_waiter() -> None:
    queue = batcher()
    waiters = in_order(queue, [("a", 1), ("bad", 1)])
    batch = queue.take()
    assert batch is not None
    batch[1].answer.set_exception(PoisonImage("bad"))
    answer(batch[:1])
    assert waiters[0].outcome() == "A"
    assert isinstance(waiters[1].outcome(), PoisonImage)
