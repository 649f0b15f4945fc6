"""The receiver of docs/protocol.md, as printed, behind a real HTTP server, with a person's part at /person."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

from tagger.instants import format_instant

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


def source() -> str:
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.S)
    return program


def printed() -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(source(), "docs/protocol.md", "exec"), found)
    return found


class Cms:
    """`db` of the receiver, behind one lock: a transaction."""

    def __init__(self, secrets: list[str]) -> None:
        self.program, self.secrets = printed(), secrets
        self.db: dict[str, dict[str, Any]] = {}
        self.lock, self.numbers = threading.Lock(), count(1)

    def receive(self, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        with self.lock:
            try:
                status, answer = self.program["receive"](self.db, headers, body, self.secrets)
            except PermissionError:
                return 401, {"detail": "not signed by tagger"}
            self._touch(json.loads(body).get("data", {}).get("asset", {}).get("id"))
            return status, answer

    def person(self, question: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            return self._do(**question)

    def _do(self, do: str, id: str = "", field: str = "", locale: str = "", value: str = "", label: str = "", **_: Any) -> Any:
        if do == "upload":
            key = f"{next(self.numbers):06}"
            texts: dict[str, Any] = {"fields": {}, "tags": {}, "offered": set(), "replaced": {}}
            asset = {"sequence": 0, "delivery": "", "revision": "1", "url": f"https://cms.example/{key}.png", **texts}
            self.db[key] = asset
            self._touch(key)
            return {"id": key}
        if id not in self.db:
            return {"gone": True}
        asset = self.db[id]
        if do in ("edit", "clear"):
            asset["fields"][(field, locale)] = (value, "person")
        elif do == "tag":
            asset["tags"][label] = (None, "person")
        elif do == "untag":
            asset["tags"].pop(label, None)
        elif do == "delete":
            del self.db[id]
            return {}
        else:
            texts = {}
            for (name, at), (text, _writer) in asset["fields"].items():
                texts.setdefault(name, {})[at] = text
            return {"fields": texts, "tags": sorted(asset["tags"])}
        self._touch(id)
        return {}

    def _touch(self, key: str | None) -> None:
        if key in self.db:
            self.db[key]["modified_at"] = format_instant(_now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def serving(secrets: list[str]) -> Iterator[str]:
    cms = Cms(secrets)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/person":
                status, answer = 200, cms.person(json.loads(body))
            else:
                status, answer = cms.receive({name.lower(): value for name, value in self.headers.items()}, body)
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
