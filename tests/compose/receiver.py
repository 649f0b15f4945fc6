"""A CMS in a container: it serves pictures, and receives the words with the very receiver that docs/protocol.md prints.

Its folder holds `from_docs.py` (that receiver), `secret` (the callback secret) and `pictures/`. `GET /state` shows what arrived.
"""

import json
import sys
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path("/receiver")
sys.path.insert(0, str(FOLDER))
sys.dont_write_bytecode = True
import from_docs  # noqa: E402 - written by the test

LOCK = threading.Lock()
DB: dict[str, dict[str, object]] = {}
SEEN: dict[str, dict[str, object]] = defaultdict(lambda: {"messages": 0, "writes": 0, "ids": [], "type": ""})


def new_asset() -> dict[str, object]:
    empty: dict[str, object] = {"sequence": 0, "delivery": "", "state": "new"}
    return {**empty, "fields": {}, "tags": {}, "offered": set(), "replaced": {}, "reasons": [], "proposals": {}}


def outcomes(answer: object) -> list[str]:
    """Every outcome in an answer, of one field or of its locales."""
    if not isinstance(answer, dict):
        return []
    own = [answer["outcome"]] if isinstance(answer.get("outcome"), str) else []
    return own + [one for part in answer.values() for one in outcomes(part)]


def receive(headers: dict[str, str], body: bytes) -> tuple[int, object]:
    secret = (FOLDER / "secret").read_text().strip()
    data = json.loads(body).get("data", {})
    asset = data.get("asset", {}).get("id")
    with LOCK:
        if asset is not None:
            DB.setdefault(asset, new_asset())
        status, answer = from_docs.receive(DB, headers, body, [secret])
        if asset is not None:
            seen = SEEN[asset]
            seen["messages"] += 1
            seen["writes"] += "written" in outcomes(answer)
            seen["type"] = json.loads(body)["type"]
            if headers["webhook-id"] not in seen["ids"]:
                seen["ids"].append(headers["webhook-id"])
            seen["tags"] = sorted(DB[asset]["tags"])
    return status, answer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/state":
            with LOCK:
                self.answer(200, json.dumps(SEEN).encode(), "application/json")
            return
        picture = FOLDER / "pictures" / Path(self.path).name
        if picture.is_file():
            self.answer(200, picture.read_bytes(), "image/jpeg")
        else:
            self.answer(404, b"", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            status, answer = receive({name.lower(): text for name, text in self.headers.items()}, body)
        except PermissionError:
            status, answer = 401, {"error": "not signed by tagger"}
        self.answer(status, b"" if answer is None else json.dumps(answer).encode(), "application/json")

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
