"""A client without a key that opens many slow connections."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

SILENT = b""
HALF_A_HEAD = b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
HALF_A_BODY = b'POST /v1/hooks/site HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n\r\n{"type": "'
OPENINGS = (SILENT, HALF_A_HEAD, HALF_A_BODY)
ROUND_SECONDS = 0.25
DRIP_EVERY = 4  # rounds: a byte of a head or a body a second


class SlowStranger(threading.Thread):
    """Keeps `count` connections open, a third of each kind; one that is ended is opened again, at most `pace` in a second."""

    def __init__(self, port: int, count: int, pace: int = 200) -> None:
        super().__init__(name="stranger", daemon=True)
        self.opened = 0
        self.all_open = threading.Event()
        self._port, self._count, self._pace = port, count, pace
        self._open: list[tuple[socket.socket, bytes]] = []
        self._stop_it = threading.Event()

    def run(self) -> None:
        rounds = 0
        while not self._stop_it.wait(ROUND_SECONDS):
            rounds += 1
            missing = self._count - len(self._open)
            for _ in range(min(missing, self._count if rounds == 1 else int(self._pace * ROUND_SECONDS))):
                self._open_one()
            self.all_open.set()
            self._open = [(one, kind) for one, kind in self._open if self._lives(one, kind, drip=rounds % DRIP_EVERY == 0)]

    def end(self) -> None:
        self._stop_it.set()
        self.join()
        for one, _ in self._open:
            one.close()

    def _open_one(self) -> None:
        kind = OPENINGS[self.opened % len(OPENINGS)]
        one = socket.socket()
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            one.connect(("127.0.0.1", self._port))
        deadline = time.monotonic() + 0.05
        while kind and time.monotonic() < deadline:
            try:
                one.send(kind)
                break
            except BlockingIOError:
                time.sleep(0.001)
            except OSError:
                break
        self.opened += 1
        self._open.append((one, kind))

    def _lives(self, one: socket.socket, kind: bytes, *, drip: bool) -> bool:
        try:
            if one.recv(4096):
                one.close()
                return False
        except BlockingIOError:
            with contextlib.suppress(OSError):
                if drip and kind:
                    one.send(b"x")
            return True
        except OSError:
            pass
        one.close()
        return False
