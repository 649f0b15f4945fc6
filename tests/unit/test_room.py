"""What many threads hold of encoded images together stays within its bound, and nobody waits without end."""

from __future__ import annotations

import io
import threading
import time

import pytest

from tagger.errors import DecoderUnavailable
from tagger.net.body import SMALL, read_body
from workers.fetch.byte_budget import Room


class Body(io.BytesIO):
    def read(self, amt: int | None = None, decode_content: bool = False) -> bytes:
        return super().read(amt)


def test_many_threads_never_hold_more_than_there_is() -> None:
    room = Room(100)
    most, lock = [0], threading.Lock()

    def work() -> None:
        for _ in range(20):
            with room.share() as share:
                share.take(40, time.monotonic() + 30)
                with lock:
                    most[0] = max(most[0], room.held)
                share.keep(10)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert room.held == 0
    assert 40 <= most[0] <= 100


def test_who_finds_no_room_in_time_is_told_so_and_one_alone_always_fits() -> None:
    room = Room(100)
    with room.share() as first, room.share() as second:
        first.take(500, time.monotonic())
        with pytest.raises(DecoderUnavailable):
            second.take(1, time.monotonic())
        first.drop()
        second.take(1, time.monotonic())
    assert room.held == 0


def test_room_is_taken_once_a_body_has_shown_that_it_is_large() -> None:
    asked: list[int] = []
    head = {"content-length": str(SMALL + 1)}
    read_body(Body(b"x" * SMALL), head, 2 * SMALL, asked.append)
    assert asked == [], "a promise alone takes nothing"
    assert len(read_body(Body(b"x" * (SMALL + 1)), head, 2 * SMALL, asked.append)) == SMALL + 1
    read_body(Body(b"x" * (SMALL + 1)), {}, 2 * SMALL, asked.append)
    assert asked == [SMALL + 1, 2 * SMALL]
