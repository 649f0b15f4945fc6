"""A local server that speaks ModelScope's protocol, with the faults of a bad line."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class ModelHub:
    """`files` are those of every repository. Each fault happens as often as its number says, then no more."""

    files: dict[str, bytes]
    unavailable: int = 0  # answers 503 to the list of files
    cut: int = 0  # sends half of what is left of a file larger than 1,000 bytes, then closes the connection
    corrupt: int = 0  # sends other bytes of the same length
    url: str = ""
    sent: list[tuple[str, int]] = field(default_factory=list)  # (file, first byte) of each answer
    listed: Counter[str] = field(default_factory=Counter)  # revision → times
    lock: threading.Lock = field(default_factory=threading.Lock)

    def takes(self, fault: str) -> bool:
        with self.lock:
            left: int = getattr(self, fault)
            setattr(self, fault, max(0, left - 1))
            return left > 0

    def listing(self) -> bytes:
        files = [
            {"Name": name, "Path": name, "Size": len(content), "Sha256": hashlib.sha256(content).hexdigest(), "Type": "blob"}
            for name, content in self.files.items()
        ]
        return json.dumps({"Code": 200, "Success": True, "Data": {"Files": files}}).encode()


@contextmanager
def running(hub: ModelHub) -> Iterator[ModelHub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(asked.query).items()}
            if asked.path.endswith("/repo/files"):
                hub.listed[query.get("Revision", "")] += 1
                return self._answer(503, b"busy") if hub.takes("unavailable") else self._answer(200, hub.listing())
            if asked.path.endswith("/repo") and query.get("FilePath") in hub.files:
                return self._file(query["FilePath"])
            return self._answer(200 if asked.path == "/" else 404, b"{}")

        def _file(self, name: str) -> None:
            content, wanted = hub.files[name], self.headers.get("Range")
            first = int(wanted.split("=")[1].split("-")[0]) if wanted else 0
            with hub.lock:
                hub.sent.append((name, first))
            rest = content[first:]
            if len(content) > 1_000 and hub.takes("corrupt"):
                rest = bytes(255 - byte for byte in rest)
            ranges = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"} if wanted else {}
            half = len(rest) // 2 if len(content) > 1_000 and hub.takes("cut") else None
            self._answer(206 if wanted else 200, rest, half, **ranges)

        def _answer(self, status: int, body: bytes, most: int | None = None, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[:most])
            self.close_connection = self.close_connection or most is not None

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
