"""Together the threads hold no more encoded bytes than the budget, and no thread waits without end."""

from __future__ import annotations

import io
import threading
import time

import pytest

from tagger.errors import DecoderUnavailable
from tagger.net.body import SMALL, read_body
from workers.fetch.byte_budget import ByteBudget


class Body(io.BytesIO):
    def read(self, amt: int | None = None, decode_content: bool = False) -> bytes:
        return super().read(amt)


def test_many_threads_never_hold_more_than_there_is() -> None:
    budget = ByteBudget(100)
    most, lock = [0], threading.Lock()

    def work() -> None:
        for _ in range(20):
            with budget.reservation() as reservation:
                reservation.acquire(40, time.monotonic() + 30)
                with lock:
                    most[0] = max(most[0], budget.held)
                reservation.shrink(10)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert budget.held == 0
    assert 40 <= most[0] <= 100


def test_a_full_budget_raises_at_the_deadline_and_one_image_alone_always_fits() -> None:
    budget = ByteBudget(100)
    with budget.reservation() as first, budget.reservation() as second:
        first.acquire(500, time.monotonic())
        with pytest.raises(DecoderUnavailable):
            second.acquire(1, time.monotonic())
        first.release()
        second.acquire(1, time.monotonic())
    assert budget.held == 0


def test_bytes_are_reserved_once_a_body_has_proved_large() -> None:
    asked: list[int] = []
    head = {"content-length": str(SMALL + 1)}
    read_body(Body(b"x" * SMALL), head, 2 * SMALL, asked.append)
    assert asked == [], "a promise alone takes nothing"
    assert len(read_body(Body(b"x" * (SMALL + 1)), head, 2 * SMALL, asked.append)) == SMALL + 1
    read_body(Body(b"x" * (SMALL + 1)), {}, 2 * SMALL, asked.append)
    assert asked == [SMALL + 1, 2 * SMALL]
