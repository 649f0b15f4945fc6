"""An endpoint that answers 410 over real HTTP, and what an operator does about it with the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from integration.workers.deliver.test_deliver_loop import describe, until
from tagger.cli.main import app
from tagger.ledger import Ledger, open_ledger
from tagger.net import signing
from tagger.settings import load

TOOK = json.dumps({"fields": {"alt_text": {"en": {"outcome": "written"}}}}).encode()


class Cms(ThreadingHTTPServer):
    """Answers 410 until it is mended; keeps what came after that."""

    daemon_threads = True

    def __init__(self) -> None:
        self.mended, self.refused = threading.Event(), 0
        self.took: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Endpoint)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def sites(self) -> list[str]:
        return [headers["x-path"].strip("/") for headers, _ in self.took]


class Endpoint(BaseHTTPRequestHandler):
    server: Cms
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        good = self.path == "/calm" or self.server.mended.is_set()
        if good:
            self.server.took.append(({**dict(self.headers.items()), "x-path": self.path}, body))
        else:
            self.server.refused += 1
        self.send_response(200 if good else 410)
        self.send_header("Content-Length", str(len(TOOK) if good else 0))
        self.end_headers()
        self.wfile.write(TOOK if good else b"")

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def cms() -> Iterator[Cms]:
    with Cms() as server:
        yield server
        server.shutdown()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(load({}, home=tmp_path).ledger)
    ledger.migrate()
    ledger.register_worker("tagger", role="tag", lane="upload", host="here", pid=1)
    yield ledger
    ledger.close()


@pytest.fixture
def _deliverer(tmp_path: Path, ledger: Ledger) -> Iterator[None]:
    env = {**os.environ, "TAGGER_HOME": str(tmp_path)}
    argv = [sys.executable, "-m", "workers", "--parent", str(os.getpid()), "deliver"]
    with (tmp_path / "deliver.log").open("w") as log, subprocess.Popen(argv, env=env, stdout=log, stderr=log) as process:
        yield
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.usefixtures("_deliverer")
def test_a_410_parks_and_a_command_pauses_rotates_replays_and_resumes(cms: Cms, ledger: Ledger, tmp_path: Path) -> None:
    def call(*words: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, ["--home", str(tmp_path), *words])
        assert done.exit_code == code, done.output + str(done.exception)
        return json.loads(done.output) if "--json" in words else done.output

    def parked() -> list[str]:
        return [row["id"] for row in call("deliveries", "list", "--status", "parked", "--site", "blog", "--json")["data"]]

    url = f"http://127.0.0.1:{cms.server_port}"
    old = call("sites", "add", "blog", "--endpoint", f"{url}/blog", "--allow-private", "--json")["callback_secret"]
    call("sites", "add", "calm", "--endpoint", f"{url}/calm", "--allow-private")
    first = describe(ledger, "blog", "1")
    until(lambda: parked() == [first])
    second = describe(ledger, "blog", "2")
    describe(ledger, "calm", "1")
    until(lambda: cms.sites() == ["calm"])
    assert (set(parked()), cms.refused) == ({first, second}, 1), "one 410, and then it is asked no more"

    call("sites", "pause", "blog", "--writes")
    cms.mended.set()
    assert call("deliveries", "replay", "--site", "blog", "--reason", "endpoint_unreachable", "--json")["data"] == []
    call("deliveries", "replay", "dlv_unknown", code=1)
    call("deliveries", "replay", code=1)
    released = call(
        "deliveries", "replay", "--site", "blog", "--reason", "endpoint_gone", "--since", "2026-01-01T00:00:00Z", "--json"
    )
    assert released["data"] == [{"site": "blog", "released": 2}]
    describe(ledger, "calm", "2")
    until(lambda: len(cms.took) == 2)
    assert cms.sites() == ["calm", "calm"], "the pause holds although the endpoint is enabled again"

    new = call("sites", "rotate", "blog", "--callback", "--json")["secret"]
    call("sites", "resume", "blog")
    until(lambda: len(cms.took) == 4)
    until(lambda: {ledger.delivery(d).status for d in (first, second)} == {"delivered"})
    shown = call("deliveries", "show", first, "--json")
    assert shown["attempts"] == len(shown["history"]) == 2
    for headers, body in cms.took[2:]:
        for secret in (old, new):
            assert signing.verify([secret], headers, body, time.time()) in (first, second)
