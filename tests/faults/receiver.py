"""A receiver of callbacks that counts what it really changed, and misbehaves on command.

An effective write is a message that made it change its state: one with a higher sequence than any before, for that asset.
Equal words under a new sequence count, so that a second description of the same job cannot hide behind them.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tagger.net import signing
from tagger.system.home import free_port


@dataclass(frozen=True, kw_only=True)
class Act:
    """What the receiver does with one message, other than its duty."""

    apply: bool = True
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False  # closes the connection instead of answering
    drip_s: float = 0  # answers a byte a second for so long


GOOD = Act()
Script = Callable[[str, int], Act]  # (asset, how many messages came for it before) → what to do


class Receiver:
    def __init__(self, port: int = 0) -> None:
        self.secret = signing.new_secret()
        self.script: Script = lambda _asset, _before: GOOD
        self.clock: Callable[[], float] = time.time
        self.lock = threading.Lock()
        self.messages: Counter[str] = Counter()  # per asset, applied or not
        self.effective: Counter[str] = Counter()  # per asset
        self.sequence: dict[str, int] = {}
        self.refused: Counter[str] = Counter()  # older sequences, per asset
        self.came: dict[str, list[float]] = {}  # moments per asset, monotonic
        self.other_paths: Counter[str] = Counter()
        self.server = _Server(("127.0.0.1", port or free_port()), _handler(self))  # nobody takes it while it is away
        self.port: int = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/callback"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def duplicates(self) -> int:
        """Effective writes beyond the first of each asset."""
        with self.lock:
            return sum(count - 1 for count in self.effective.values() if count > 1)

    def take(self, asset: str, sequence: int) -> Act:
        """The script's word, and the state's change if there is one."""
        with self.lock:
            act = self.script(asset, self.messages[asset])
            self.messages[asset] += 1
            self.came.setdefault(asset, []).append(time.monotonic())
            if act.apply and sequence > self.sequence.get(asset, 0):
                self.sequence[asset] = sequence
                self.effective[asset] += 1
            elif act.apply and sequence < self.sequence[asset]:
                self.refused[asset] += 1
            return act

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A killed deliverer breaks its connections; that is the test."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._stray()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            if self.path != "/callback":
                return self._stray()
            signing.verify([receiver.secret], dict(self.headers), body, receiver.clock())
            message = json.loads(body)
            data = message["data"]
            if message["type"] != "asset.described":
                return self._send(204, b"", {})
            act = receiver.take(data["asset"]["id"], data["sequence"])
            self._answer(act, data["fields"])
            return None

        def _stray(self) -> None:
            with receiver.lock:
                receiver.other_paths[self.path] += 1
            self._send(404, b"", {})

        def _answer(self, act: Act, fields: dict[str, Any]) -> None:
            if act.hang_up:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            said = {
                name: {"outcome": "written"} if name == "tags" else {key: {"outcome": "written"} for key in value}
                for name, value in fields.items()
            }
            content = json.dumps({"fields": said}).encode() if act.status == 200 else b""
            if act.drip_s:
                self._drip(act.drip_s)
            else:
                self._send(act.status, content, act.headers)

        def _drip(self, seconds: float) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(1)
            self.close_connection = True

        def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
