"""A web server with good and bad images, and paths that answer only after a test releases them."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

Answer = Callable[[], tuple[int, str, bytes]]  # status, content type, body

HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"


def png(colour: tuple[int, int, int] = (200, 40, 40), size: int = 48) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(out, "PNG")
    return out.getvalue()


def huge_header() -> bytes:
    """A PNG that claims 141,421 × 141,421 pixels: twenty gigapixels, in a hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 141_421, 141_421, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


class Pictures:
    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def put(self, path: str, body: bytes, status: int = 200, kind: str = "image/png") -> str:
        """Serve this from now on; its URL."""
        return self.serve(path, lambda: (status, kind, body))

    def serve(self, path: str, answer: Answer) -> str:
        self.answers["/" + path] = answer
        return f"http://{self.host}/{path}"

    def behind_a_door(self, path: str) -> tuple[str, threading.Event]:
        """A picture that comes once the event is set."""
        door = threading.Event()

        def answer() -> tuple[int, str, bytes]:
            door.wait(30)
            return 200, "image/png", png()

        return self.serve(path, answer), door

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(pictures: Pictures) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = pictures.answers.get(self.path, lambda: (404, "text/plain", b"no"))()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
