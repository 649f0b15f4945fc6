"""A worker that becomes idle gives memory back: once, and again after its next work."""

from __future__ import annotations

from workers.pipeline.in_flight import InFlight
from workers.runtime.idle_memory import QUIET_SECONDS, IdleMemory, give_back


def test_memory_is_given_back_once_each_time_that_the_work_ends() -> None:
    now, given = [0.0], []
    images = InFlight(4, clock=lambda: now[0])
    memory = IdleMemory(images.idle_seconds, lambda: given.append(now[0]))
    for now[0] in (1.0, QUIET_SECONDS, QUIET_SECONDS + 2, QUIET_SECONDS + 4):
        memory.look()
    assert given == [QUIET_SECONDS]
    with images.hold("job"):
        now[0] = 100.0
        memory.look()
        assert len(given) == 1, "an image is in work"
    for now[0] in (101.0, 100.0 + QUIET_SECONDS, 200.0):
        memory.look()
    assert given == [QUIET_SECONDS, 100.0 + QUIET_SECONDS]


def test_the_memory_goes_back_to_the_system() -> None:
    def own() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096

    blocks = [bytes(60_000) for _ in range(2_000)]  # 120 MB in blocks that glibc takes from its heap
    last = bytes(60_000)
    full = own()
    blocks.clear()
    give_back()
    assert full - own() > 60 << 20
    assert last
