"""The parent's side of one decoder process: start, ask, kill."""

from __future__ import annotations

import json
import mmap
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import psutil

from tagger.prediction import Pixels
from tagger.settings import MIB
from tagger.system.children import start_child
from tagger.system.interpreter import module
from workers.decode.protocol import ANSWER, MAX_BLOCK, READY, REQUEST, Limits

START_SECONDS = 60.0  # for a new process to import its libraries on a busy machine
SHED_BYTES = 4 * MIB  # an area that held more gives its memory back
MAX_ANSWER = 1 << 16  # bytes of an answer's JSON
PROCESS_CLOCK = 2  # Linux: CPUCLOCK_SCHED
INHERITED = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")  # nothing else: the worker's environment holds secrets


class Died(Exception):
    """The decoder ended or sent an invalid answer. `by`: the signal that ended it, or 0."""

    def __init__(self, by: int = 0) -> None:
        self.by = by


class Patience:
    """The time until which the parent waits for an answer. It is asked again after that time. Errors: those that end the wait."""

    def __init__(self, until: float, again: Callable[[], float] | None = None) -> None:
        self.until = until  # monotonic
        self._again = again

    def over(self) -> None:
        """The time is over. Errors: TimeoutError, unless there is more time."""
        if self._again is None:
            raise TimeoutError
        self.until = self._again()


class DecoderProcess:
    """One process, its socket and its shared area. Used by one thread at a time."""

    def __init__(self, limits: Limits, life_fd: int) -> None:
        self.limits = limits
        self.served = 0
        self.ready = False
        area_fd = _shared_file(limits.area_bytes)
        ours, theirs = socket.socketpair()
        try:
            self.area = mmap.mmap(area_fd, limits.area_bytes)
            # during its start it is killed with the thread that starts it, later with this process (`die_with_pipe`)
            self.process = start_child(
                _command(theirs.fileno(), area_fd, life_fd, limits),
                env=_environment(),
                pass_fds=(theirs.fileno(), area_fd, life_fd),
                stdout=subprocess.DEVNULL,
                own_session=True,  # only the worker handles a signal to its group
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(area_fd)
        self.channel = ours

    def wait_ready(self) -> None:
        if not self.ready:
            if self._receive(len(READY), Patience(time.monotonic() + START_SECONDS)) != READY:
                raise Died
            self.ready = True

    def decode(self, data: bytes, patience: Patience) -> tuple[dict[str, Any], list[bytes]]:
        """The answer's object and metadata blocks. Errors: Died, TimeoutError, whatever `patience` raises."""
        self.served += 1
        self.area[: len(data)] = data
        self._send(REQUEST.pack(len(data)))
        (length,) = ANSWER.unpack(self._receive(ANSWER.size, patience))
        if length > MAX_ANSWER:
            raise Died
        try:
            answer = dict(json.loads(self._receive(length, patience)))
            lengths = [int(count) for count in answer.get("blocks", ())]
        except (ValueError, TypeError):
            raise Died from None
        if any(not 0 <= count <= MAX_BLOCK for count in lengths):
            raise Died
        return answer, [self._receive(count, patience) for count in lengths]

    def pixels(self, width: int, height: int) -> Pixels:
        if not (0 < width <= self.limits.long_side and 0 < height <= self.limits.long_side):
            raise Died
        view = np.frombuffer(self.area, np.uint8, width * height * 3, self.limits.max_bytes)
        return view.reshape(height, width, 3).copy()

    def shed(self, length: int) -> None:
        """Returns the memory of a large image to the system."""
        if length > SHED_BYTES and hasattr(mmap, "MADV_REMOVE"):
            self.area.madvise(mmap.MADV_REMOVE, 0, self.limits.max_bytes // mmap.PAGESIZE * mmap.PAGESIZE)

    @property
    def pid(self) -> int:
        return self.process.pid

    def cpu_seconds(self) -> float:
        """The processor time that it used so far; 0 if it ended."""
        try:
            if platform.system() == "Linux":
                return time.clock_gettime(~self.pid << 3 | PROCESS_CLOCK)  # as clock_getcpuclockid(3) makes it
            times = psutil.Process(self.pid).cpu_times()
            return float(times.user + times.system)
        except (OSError, psutil.Error):
            return 0.0

    def interrupt(self) -> None:
        """Call it from another thread. The running decode fails with Died."""
        self.process.kill()

    def kill(self) -> None:
        """Called by the owner: ends the process and frees everything."""
        self.channel.close()
        self.process.kill()
        self.process.wait()
        self.area.close()

    def _ended_by(self) -> int:
        """After the channel broke: the signal that ended the process, or 0."""
        try:
            return max(0, -self.process.wait(timeout=1))
        except subprocess.TimeoutExpired:
            return 0

    def _send(self, request: bytes) -> None:
        try:
            self.channel.sendall(request)
        except ConnectionError:
            raise Died(self._ended_by()) from None

    def _receive(self, count: int, patience: Patience) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            seconds_left = patience.until - time.monotonic()
            if seconds_left <= 0:
                patience.over()
                continue
            self.channel.settimeout(seconds_left)
            try:
                part = self.channel.recv(count - len(parts))
            except TimeoutError:
                continue
            except ConnectionError:
                part = b""
            if not part:
                raise Died(self._ended_by())
            parts += part
        return bytes(parts)


def _shared_file(size: int) -> int:
    """A file in memory without a name. It needs no cleanup when a process dies."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("decoder", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd


def _command(socket_fd: int, area_fd: int, life_fd: int, limits: Limits) -> list[str]:
    numbers = [str(fd) for fd in (socket_fd, area_fd, life_fd)]
    return module("workers.decode.child", *numbers, json.dumps(asdict(limits)))


def _environment() -> dict[str, str]:
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # the same packages as in this process
    variables = {name: os.environ[name] for name in INHERITED if name in os.environ}
    # Arenas would eat the limit on address space. Of an ordinary picture's buffers the memory is kept, since every page anew
    # cost as much as the decoding; a large picture's goes back to the system.
    memory = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(8 * MIB), "MALLOC_TRIM_THRESHOLD_": str(16 * MIB)}
    return {**variables, "PYTHONPATH": path, **memory}
