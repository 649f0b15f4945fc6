"""The pool of decoder processes: deadlines, crashes, effects on other images, memory limits."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image
from support.processes import has_ended

from tagger.errors import DeadlineExceeded, DecodeError, DecoderLost, DecoderUnavailable, DecodeTimeout, TaggerError
from workers.decode.handle import DecoderProcess
from workers.decode.pool import Decoded, DecoderPool


def jpeg(shade: int = 100) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (shade, shade, shade)).save(out, "JPEG")
    return out.getvalue()


def blank(mode: str, side: int) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (side, side)).save(out, "PNG", compress_level=1)
    return out.getvalue()


SLOW = blank("L", 9000)  # some tenths of a second of work in a few hundred kilobytes
GOOD = jpeg()
LIMIT = 0.2  # seconds of processor time. In less time on the wall, a busy machine may give a decoder none, as if it stood still


@pytest.fixture(scope="module")
def over_the_limit() -> bytes:
    """A second of work."""
    return blank("RGB", 8000)


def decode(pool: DecoderPool, data: bytes = GOOD, seconds: float = 30) -> Decoded:
    return pool.decode(data, deadline=time.monotonic() + seconds)


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        threading.Event().wait(0.01)


def gone(pids: list[int]) -> bool:
    return all(pid_has_ended(pid) for pid in pids)


def pid_has_ended(pid: int) -> bool:
    try:
        return has_ended(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


@contextlib.contextmanager
def hunting(pool: DecoderPool, number: signal.Signals) -> Iterator[None]:
    """While inside, every decoder that works hard is sent a signal: an image that kills whatever decodes it."""
    stop = threading.Event()

    def hunt() -> None:
        while not stop.wait(0.005):
            for pid in pool.pids:
                with contextlib.suppress(psutil.Error):
                    if psutil.Process(pid).memory_info().rss > 70 << 20:  # only the slow picture needs so much
                        os.kill(pid, number)

    thread = threading.Thread(target=hunt)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_an_image_over_the_time_limit_is_killed_and_the_next_one_served(over_the_limit: bytes) -> None:
    with DecoderPool(1, seconds=LIMIT) as pool:
        decode(pool)
        before = pool.pids
        with pytest.raises(DecodeTimeout, match=r"0\.2 seconds") as caught:
            decode(pool, over_the_limit)
        assert not caught.value.retryable
        until(lambda: gone(before))
        assert decode(pool).width == 64


def test_the_callers_own_deadline_is_not_the_images_fault() -> None:
    with DecoderPool(1, seconds=30) as pool:
        decode(pool)
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded) as caught:
            decode(pool, SLOW, seconds=0.05)
        assert caught.value.retryable
        assert time.monotonic() - started < 5


def test_no_decoder_free_before_the_deadline() -> None:
    with DecoderPool(1, seconds=30) as pool, ThreadPoolExecutor(1) as threads:
        decode(pool)
        busy = threads.submit(decode, pool, SLOW)
        until(lambda: not pool._idle)
        with pytest.raises(DecoderUnavailable) as caught:
            decode(pool, seconds=0.02)
        assert caught.value.retryable
        assert busy.result(30).width == 9000


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGSEGV, DecodeError), (signal.SIGKILL, DecoderLost), (signal.SIGXCPU, DecodeTimeout)]
)
def test_an_image_that_kills_its_decoder_fails_alone(number: signal.Signals, kind: type[TaggerError]) -> None:
    """A decoder that is killed from outside, as the system does it when its memory is full, is not the image's own failure."""
    with DecoderPool(2) as pool, ThreadPoolExecutor(4) as threads:
        decode(pool)
        with hunting(pool, number):
            killer = threads.submit(decode, pool, SLOW)
            neighbours = list(threads.map(lambda shade: decode(pool, jpeg(shade)), range(60)))
            with pytest.raises(kind) as caught:
                killer.result(30)
        assert caught.value.retryable == (kind is DecoderLost)
        assert [int(n.pixels[0, 0, 0]) for n in neighbours] == pytest.approx(list(range(60)), abs=2)
        assert decode(pool).width == 64


def test_a_decoder_that_died_idle_charges_nobody() -> None:
    with DecoderPool(1) as pool:
        decode(pool)
        for _ in range(3):
            os.kill(pool.pids[0], signal.SIGKILL)
            assert decode(pool).width == 64


def test_an_image_survives_a_decoder_that_is_killed_from_outside_once() -> None:
    with DecoderPool(1, seconds=30) as pool, ThreadPoolExecutor(1) as threads:
        decode(pool)
        first = pool.pids[0]
        busy = threads.submit(decode, pool, SLOW)
        until(lambda: psutil.Process(first).memory_info().rss > 70 << 20)
        os.kill(first, signal.SIGKILL)
        assert busy.result(30).width == 9000


def test_a_stopped_decoder_is_replaced_and_its_image_is_decoded() -> None:
    with DecoderPool(1, seconds=0.3) as pool:
        decode(pool)
        stopped = pool.pids[0]
        os.kill(stopped, signal.SIGSTOP)
        assert decode(pool).width == 64
        assert pool.pids != [stopped]


def test_decoders_that_are_stopped_again_and_again_are_not_the_images_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    send = DecoderProcess._send

    def stopped(process: DecoderProcess, request: bytes) -> None:
        os.kill(process.pid, signal.SIGSTOP)
        send(process, request)

    with DecoderPool(1, seconds=0.1) as pool:
        decode(pool)
        with monkeypatch.context() as patch:
            patch.setattr(DecoderProcess, "_send", stopped)
            with pytest.raises(DecoderLost):
                decode(pool)
        assert decode(pool).width == 64


STALLED = """
import sys, time
from workers.decode.pool import DecoderPool
with DecoderPool(1, seconds=1.5) as pool:
    pool.decode(open(sys.argv[1], "rb").read(), deadline=time.monotonic() + 60)
    print(*pool.pids, flush=True)
    print(pool.decode(open(sys.argv[2], "rb").read(), deadline=time.monotonic() + 60).width, *pool.pids, flush=True)
"""


def test_time_in_which_the_machine_stood_still_is_not_the_images(tmp_path: Path) -> None:
    """Q17: everything is stopped for longer than the limit while an image is decoded."""
    (tmp_path / "good.jpg").write_bytes(GOOD)
    (tmp_path / "slow.png").write_bytes(SLOW)
    command = [sys.executable, "-c", STALLED, str(tmp_path / "good.jpg"), str(tmp_path / "slow.png")]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        until(lambda: psutil.Process(pid).memory_info().rss > 70 << 20)
        for one in (pid, worker.pid):
            os.kill(one, signal.SIGSTOP)
        threading.Event().wait(2)  # the fault itself
        for one in (pid, worker.pid):
            os.kill(one, signal.SIGCONT)
        assert worker.stdout.readline().split() == ["9000", str(pid)]


def test_a_decoder_ignores_signals_that_ask_the_worker_to_end() -> None:
    with DecoderPool(1) as pool:
        decode(pool)
        before = pool.pids
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(before[0], number)
        assert decode(pool).width == 64
        assert pool.pids == before
        assert os.getpgid(before[0]) != os.getpgid(0)


def test_pixels_in_flight_are_bounded_and_come_back_when_dropped() -> None:
    with DecoderPool(2, long_side=64, pixels_in_flight=3 * 64 * 64 * 3) as pool:
        held = [decode(pool) for _ in range(3)]  # smaller than the largest: 9 KiB of 12
        rows = held[0].pixels[:1]  # a view keeps the whole
        with pytest.raises(DecoderUnavailable):
            decode(pool, seconds=0.02)
        held.clear()
        gc.collect()
        decode(pool)
        with ThreadPoolExecutor(1) as threads:
            kept = [decode(pool), decode(pool)]
            waiting = threads.submit(decode, pool)
            assert not waiting.done()
            kept.clear()
            assert waiting.result(10).width == 64
        assert rows.shape == (1, 64, 3)


def test_many_threads_get_their_own_pixels() -> None:
    with DecoderPool(2) as pool, ThreadPoolExecutor(16) as threads:
        shades = [n % 250 for n in range(300)]
        results = list(threads.map(lambda shade: decode(pool, jpeg(shade)), shades))
        assert [int(r.pixels[20, 20, 1]) for r in results] == pytest.approx(shades, abs=2)


def test_closing_ends_every_process_and_what_is_under_way() -> None:
    pool = DecoderPool(2)
    with ThreadPoolExecutor(2) as threads:
        decode(pool)
        pids = pool.pids
        busy = threads.submit(decode, pool, SLOW)
        until(lambda: len(pool._idle) == 1)
        pool.close()
        pool.close()
        with pytest.raises(DecoderUnavailable):
            busy.result(10)
        with pytest.raises(DecoderUnavailable):
            decode(pool)
    assert gone(pids)


def test_nothing_is_left_open_by_respawns(over_the_limit: bytes) -> None:
    me = psutil.Process()
    with DecoderPool(1, seconds=LIMIT) as pool:
        decode(pool)
        before = me.num_fds()
        for _ in range(5):
            with pytest.raises(DecodeTimeout):
                decode(pool, over_the_limit)
            decode(pool)
        assert me.num_fds() == before


PARENT = """
import sys, time
from workers.decode.pool import DecoderPool
pool = DecoderPool(2)
pool.decode(open(sys.argv[1], "rb").read(), deadline=time.monotonic() + 60)
print(*pool.pids, flush=True)
if sys.argv[2] == "busy":
    pool.decode(open(sys.argv[3], "rb").read() , deadline=time.monotonic() + 60)
time.sleep(60)
"""


@pytest.mark.parametrize("state", ["idle", "busy", "stopped"])
def test_decoders_die_with_a_parent_that_is_killed(state: str, tmp_path: Path) -> None:
    (tmp_path / "good.jpg").write_bytes(GOOD)
    (tmp_path / "slow.png").write_bytes(SLOW)
    command = [sys.executable, "-c", PARENT, str(tmp_path / "good.jpg"), state, str(tmp_path / "slow.png")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()})
    with parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        if state == "busy":
            until(lambda: any(psutil.Process(pid).memory_info().rss > 70 << 20 for pid in pids))
        if state == "stopped":
            for decoder in map(psutil.Process, pids):
                until(lambda decoder=decoder: any("_imaging" in area.path for area in decoder.memory_maps()))  # it has started
                decoder.suspend()
        parent.kill()
    until(lambda: gone(pids), 5)


def test_the_decoders_environment_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGGER_ADMIN_KEY", "secret")
    with DecoderPool(1) as pool:
        decode(pool)
        process = psutil.Process(pool.pids[0])
        assert "TAGGER_ADMIN_KEY" not in process.environ()
        assert "secret" not in " ".join(process.cmdline())
