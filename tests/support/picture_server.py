"""A real local server whose answers a test defines per path, and the fetch from it."""

from __future__ import annotations

import re
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tagger.asset import ImageSource
from tagger.net.addresses import AddressPolicy, AllowedHost
from workers.fetch.fetch import Fetched, FetchPolicy, fetch

BODY = b"\xff\xd8 not really a picture, but bytes " * 40
Answer = Callable[[socket.socket], None]


class Server:
    """Answers each path with a function over the raw socket; remembers the requests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.names: list[str | None] = []  # SNI
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    with self.request if tls is None else tls.wrap_socket(self.request, server_side=True) as sock:
                        outer.answer(sock)
                except OSError:
                    return  # the client left, as many of these tests want it to

        class Threads(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True

        if tls is not None:
            tls.sni_callback = lambda _sock, name, _context: self.names.append(name)
        self.server = Threads(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def answer(self, sock: socket.socket) -> None:
        text = b""
        while b"\r\n\r\n" not in text:
            part = sock.recv(65536)
            if not part:
                return
            text += part
        length = re.search(rb"\r\ncontent-length: (\d+)", text, re.IGNORECASE)
        while length and len(text.partition(b"\r\n\r\n")[2]) < int(length[1]) and (part := sock.recv(65536)):
            text += part
        self.requests.append(text.decode("latin-1"))
        path = text.split(b" ")[1].decode().partition("?")[0]
        self.answers.get(path, send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))(sock)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def header(self, name: str, request: int = -1) -> str | None:
        for line in self.requests[request].split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None


def send(data: bytes) -> Answer:
    return lambda sock: sock.sendall(data)


def ok(body: bytes, *headers: str, status: str = "200 OK") -> Answer:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def moved(location: str, status: str = "302 Found") -> Answer:
    return ok(b"", f"Location: {location}", status=status)


def endless(head: bytes, piece: bytes, pause: float = 0.0) -> Answer:
    def answer(sock: socket.socket) -> None:
        sock.sendall(head)
        while True:
            sock.sendall(piece)
            if pause:
                time.sleep(pause)  # the misbehaviour itself, not a way to wait for something

    return answer


def policy(server: Server, **changes: Any) -> FetchPolicy:
    hosts = tuple(AllowedHost.parse(f"{name}:{server.port}") for name in ("127.0.0.1", "cms.test"))
    of_addresses = {name: changes.pop(name) for name in ("allowed_hosts", "ports") if name in changes}
    return FetchPolicy(addresses=replace(AddressPolicy(allowed_hosts=hosts), **of_addresses), **changes)


def get(server: Server, path: str = "/a.jpg", *, host: str = "cms.test", seconds: float = 10, **changes: Any) -> Fetched:
    return fetch(
        ImageSource(kind="url", location=f"http://{host}:{server.port}{path}"),
        policy=policy(server, **changes),
        deadline=time.monotonic() + seconds,
        resolve=lambda _host, _port: ["127.0.0.1"],
    )
