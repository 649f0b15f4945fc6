"""A TCP proxy that forwards, resets, delays or drops: network faults on real sockets."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

LINGER_RESET = struct.pack("ii", 1, 0)  # close() sends RST


class Proxy:
    """Listens on 127.0.0.1:`port`; `connect()` makes the socket behind it."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self.connect = connect
        self.black_hole = threading.Event()  # while set, bytes vanish; a connection that lost some never carries again
        self.hold = threading.Event()  # while set, bytes wait
        self.held = b""  # what waits, or waited last
        self.delay_s = 0.0
        self.answer = b""  # while set, this is the answer to whatever is asked
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.server.getsockname()[1]
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._inside: set[socket.socket] = set()  # those that ask
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def _begin(self, target: Callable[..., None], *args: socket.socket) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def reset(self) -> int:
        """Resets every open connection; returns how many."""
        with self._lock:
            cut, self._open = self._open, []
        for one in cut:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RD)  # wakes the thread that reads
            one.close()
        return len(cut)

    def close(self) -> None:
        self.hold.clear()
        self.delay_s = 0.0
        self.server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self.server.close()
        self._threads[0].join(5)
        self.reset()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                inside, _ = self.server.accept()
            except OSError:
                return
            try:
                outside = self.connect()
            except OSError:
                inside.close()
                continue
            with self._lock:
                self._open += [inside, outside]
                self._inside.add(inside)
            for source, sink in ((inside, outside), (outside, inside)):
                self._begin(self._carry, source, sink)

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        swallowed = False
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.answer:
                    self._reply(source)
                    continue
                swallowed = swallowed or self.black_hole.is_set()
                while self.hold.is_set() or self.delay_s:
                    self.held = data
                    time.sleep(self.delay_s or 0.02)
                    if not self.hold.is_set():
                        break
                    with contextlib.suppress(BlockingIOError):
                        data += source.recv(65536, socket.MSG_DONTWAIT)
                if not swallowed:
                    sink.sendall(data)
        if not swallowed:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
        if swallowed or not self._still_open(source):
            source.close()

    def _reply(self, source: socket.socket) -> None:
        """To who asks; what the server says is lost."""
        with self._lock:
            asks = source in self._inside
        if asks:
            source.sendall(self.answer)

    def _still_open(self, one: socket.socket) -> bool:
        with self._lock:
            return one in self._open
