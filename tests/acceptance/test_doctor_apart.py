"""`tagger doctor` when `tagger api` and the workers run separately, and Flower when it is not installed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from acceptance.house import called, told
from tagger.ledger import Ledger, open_ledger
from tagger.settings import load
from tagger.supervisor import plan
from tagger.system.home import free_port, read_state


@contextmanager
def answering(status: int, body: Any) -> Iterator[str]:
    """A server that says this on every path; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield str(server.server_address[1])
        server.shutdown()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(load({}, home=tmp_path).ledger)
    opened.migrate()
    yield opened
    opened.close()


def findings(home: Path, port: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = called("doctor", "--json", home=home, TAGGER_API_PORT=port)
    return done.returncode, {found["what"]: found for found in json.loads(done.stdout)["data"]}


WORKERS = {"tag:upload": 1, "deliver": 1}


def living(ledger: Ledger) -> None:
    ledger.register_worker("t", role="tag", lane="upload", host="h", pid=1)
    ledger.register_worker("d", role="deliver", lane=None, host="h", pid=2)


def test_a_healthy_api_whose_roles_run_apart_is_healthy(ledger: Ledger, tmp_path: Path) -> None:
    living(ledger)
    with answering(200, {"ready": True, "workers": WORKERS}) as port:
        code, found = findings(tmp_path, port)
    assert (code, found["API"]["state"]) == (0, "ok"), found
    assert "the processes run separately: 1 deliver, 1 tag:upload" in found["API"]["detail"]
    code, found = findings(tmp_path, str(free_port()))
    assert (code, found["Stack"]["state"]) == (0, "ok"), "nor is an API missed that runs on another machine"


def test_an_api_without_workers_is_a_warning_with_what_to_start(ledger: Ledger, tmp_path: Path) -> None:
    with answering(200, {"ready": True, "workers": {}}) as port:
        code, found = findings(tmp_path, port)
    assert (code, found["API"]["state"]) == (0, "warning"), found
    assert "tagger worker tag" in found["API"]["remedy"]


@pytest.mark.parametrize(
    ("status", "body", "what", "words"),
    [
        (200, {"ready": True, "workers": {"tag:upload": 9}}, "API", "uses another ledger"),
        (503, {"code": "ledger_unavailable"}, "API", "not ready: 503"),
        (200, "a program of somebody else", "Stack", "cannot be used"),
        (404, {"detail": "Not found"}, "Stack", "cannot be used"),
    ],
)
def test_what_is_not_ours_or_not_ready_is_broken(
    ledger: Ledger, tmp_path: Path, status: int, body: Any, what: str, words: str
) -> None:
    living(ledger)
    with answering(status, body) as port:
        code, found = findings(tmp_path, port)
    assert (code, found[what]["state"]) == (1, "broken"), found
    assert words in found[what]["detail"]


@pytest.mark.parametrize("command", [("up", "--flower", "--port", "0"), ("flower",)])
def test_without_flower_both_commands_say_so_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(plan, "flower_installed", lambda: False)
    done = called(*command, home=tmp_path)
    assert done.returncode == 1
    assert "Flower is not installed" in done.stderr
    assert "pip install 'tagger[ops]'" in done.stderr
    assert "http://" not in done.stdout + done.stderr
    assert read_state(tmp_path) is None


def test_a_plain_home_still_says_that_nothing_runs(tmp_path: Path) -> None:
    found = {finding["what"]: finding for finding in told("doctor", home=tmp_path, TAGGER_API_PORT="0")["data"]}
    assert found["Stack"]["state"] == "warning"
