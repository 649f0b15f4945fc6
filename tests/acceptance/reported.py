"""What the reported bugs are shown with: a folder that one `tagger describe` described, and a server that misbehaves."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pillow_heif
from fastapi.testclient import TestClient
from httpx import Response
from PIL import Image

from acceptance.house import ENDED, House, tagger, until
from tagger.api.app import create_app
from tagger.delivery import Endpoint
from tagger.job import JobRequest
from tagger.keys import hash_key
from tagger.ledger import Ledger, open_ledger
from tagger.net import signing
from tagger.settings import load
from tagger.site import Site

DATA = Path(__file__).parent.parent / "data" / "bugs"
KEY = "key-of-bugs"


def library(folder: Path) -> Path:
    """The folders that people have, in one."""
    lib, disk = folder / "lib", folder / "disk2"
    for name in ("iptc.jpg", "exif.jpg", "phone.jpg", "logo-white.png", "logo-black.png"):
        _put(lib / name, DATA / name)
    _put(lib / "appledouble" / "cup.jpg", DATA / "cup.jpg")
    _put(lib / "appledouble" / "._cup.jpg", DATA / "appledouble-cup.bin")
    _put(lib / "eadir" / "cup.jpg", DATA / "cup.jpg")
    _put(lib / "eadir" / "@eaDir" / "cup.jpg" / "SYNOFILE_THUMB_M.jpg", DATA / "thumb.jpg")
    for name in ("a.jpg", "b.jfif", "c.jpe"):
        _put(lib / "jfif" / name, DATA / "browser.jfif")
    with Image.open(DATA / "cup.jpg") as cup:
        pillow_heif.from_pillow(cup).save(lib / "jfif" / "d.hif")
    _put(lib / "latin1" / "ok.jpg", DATA / "cup.jpg")
    _put(lib / "latin1" / os.fsdecode(b"No\xebl.jpg"), DATA / "cup.jpg")
    _put(disk / "b.jpg", DATA / "browser.jfif")
    (lib / "linked").mkdir()
    (lib / "linked" / "album").symlink_to(disk)
    (lib / "linked" / "loop").symlink_to(".")
    return lib


def _put(path: Path, data: Path | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.read_bytes())


@dataclass(frozen=True, kw_only=True)
class Described:
    lib: Path
    copies: Path
    run: subprocess.CompletedProcess[str]
    rows: dict[str, dict[str, Any]]  # by the file's name in the table

    @classmethod
    def of(cls, folder: Path) -> Described:
        lib, out, copies = library(folder), folder / "captions.json", folder / "copies"
        words = ("--out", str(out), "--embed", str(copies))
        run = tagger("describe", str(lib), *words, home=folder / "home", seconds=240, TAGGER_TAG_PROCESSES="1")
        rows = json.loads(out.read_text("utf-8"))["data"] if out.exists() else []
        assert rows, run.stderr
        return cls(lib=lib, copies=copies, run=run, rows={row["file"]: row for row in rows})

    def done(self, name: str) -> dict[str, Any]:
        assert name in self.rows, f"{name} is not in the table: {sorted(self.rows)}"
        assert self.rows[name]["status"] == "done", self.rows[name]
        return self.rows[name]


class Server:
    """Pictures behind odd answers, and a receiver whose answer is gzipped."""

    def __init__(self) -> None:
        self.picture = (DATA / "cup.jpg").read_bytes()
        self.messages: list[dict[str, Any]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body. http.server sends headers as Latin-1, so that UTF-8's bytes go out as they are."""
        as_utf8 = "/bilder/Grün.jpg".encode().decode("latin-1")
        zipped = gzip.compress(self.picture)
        answers: dict[str, tuple[int, dict[str, str], bytes]] = {
            "/redir-utf8": (302, {"Location": as_utf8}, b""),
            "/redir-space": (302, {"Location": "/bilder/a cup.jpg"}, b""),
            quote("/bilder/Grün.jpg"): (200, {}, self.picture),
            "/bilder/a%20cup.jpg": (200, {}, self.picture),
            "/enc/aws": (200, {"Content-Encoding": "aws-chunked"}, self.picture),
            "/enc/utf8": (200, {"Content-Encoding": "UTF-8"}, self.picture),
            "/enc/gzaws": (200, {"Content-Encoding": "gzip, aws-chunked"}, zipped),
            "/enc/br": (200, {"Content-Encoding": "br"}, b"\x0b\x02\x80not really\x03"),
        }
        return answers.get(path, (404, {}, b""))

    def take(self, body: bytes) -> bytes:
        message = json.loads(body)
        self.messages.append(message)
        said: dict[str, Any] = {}
        for name, value in message["data"].get("fields", {}).items():
            said[name] = {"outcome": "written"} if name == "tags" else {locale: {"outcome": "written"} for locale in value}
        return gzip.compress(json.dumps({"fields": said}).encode())

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = server.get(self.path)
            self._send(status, {"Content-Type": "image/jpeg", **headers}, body)

        def do_POST(self) -> None:
            body = server.take(self.rfile.read(int(self.headers["content-length"])))
            self._send(200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, body)

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class World:
    """What a case may use; each part is made when the first case asks for it."""

    def __init__(self, folder: Path, house: Callable[[], House]) -> None:
        self.folder, self._house = folder, house
        self.secret = signing.new_secret()
        self.bearer = {"Authorization": f"Bearer {KEY}"}
        self._closing = contextlib.ExitStack()

    def close(self) -> None:
        self._closing.close()

    @cached_property
    def described(self) -> Described:
        (self.folder / "described").mkdir()
        return Described.of(self.folder / "described")

    @cached_property
    def server(self) -> Server:
        return self._closing.enter_context(contextlib.closing(Server()))

    # --- the API alone: what it makes of a request ---

    @cached_property
    def ledger(self) -> Ledger:
        ledger = self._closing.enter_context(contextlib.closing(open_ledger(load({}, home=self.folder / "api").ledger)))
        ledger.migrate()
        ledger.put_site(Site(id="bugs", name="bugs", hook_secrets=(self.secret,)))
        ledger.add_key("bugs", "bugs", hash_key(KEY))
        return ledger

    @cached_property
    def api(self) -> TestClient:
        assert self.ledger
        return self._closing.enter_context(TestClient(create_app(load({}, home=self.folder / "api"))))

    def post(self, asset: str, image: dict[str, str], **fields: Any) -> Response:
        return self.api.post("/v1/jobs", json={"asset": {"id": asset, "image": image}, **fields}, headers=self.bearer)

    def accepted(self, answer: Response) -> JobRequest:
        """What the ledger holds of an accepted job."""
        assert answer.status_code == 202, answer.text
        return self.ledger.job(answer.json()["id"]).request

    # --- the whole stack ---

    @cached_property
    def house(self) -> House:
        """The shared stack, with a site whose pictures and whose receiver are the server."""
        house = self._house()
        house.ledger.put_site(Site(id="bugs", name="bugs", allowed_hosts=(self.server.host,)))
        house.ledger.add_key("bugs", "bugs", hash_key(KEY))
        url = self.server.url("/recv/gzip")
        house.ledger.put_endpoint(Endpoint(id="end_bugs", site_id="bugs", url=url, secrets=(self.secret,), allow_private=True))
        return house

    def ended(self, asset: str, image: dict[str, str], **fields: Any) -> dict[str, Any]:
        """The job of a picture once it has ended."""
        answer = self.house.call("POST", "/v1/jobs", key=KEY, json={"asset": {"id": asset, "image": image}, **fields})
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["id"]
        until(lambda: self.house.job(job_id, KEY)["status"] in ENDED, f"{job_id} ends")
        return self.house.job(job_id, KEY)
