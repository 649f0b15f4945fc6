"""The port of probes and metrics: what each probe says at which moment, and the health check that asks it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tagger.errors import PortTaken
from tagger.system.home import free_port
from tagger.telemetry import probe_server
from tagger.telemetry.probe_server import LIVE_SECONDS, Probes, serve_probes

ROOT = Path(__file__).parents[3]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def said(probes: Probes) -> tuple[bool, bool, bool]:
    """Whether it started, is ready, and lives."""
    return probes.startup() is None, probes.readiness() is None, probes.liveness() is None


def test_a_process_starts_is_ready_and_ends() -> None:
    probes, clock = Probes(clock=Clock()), Clock()
    probes.clock = clock
    assert said(probes) == (False, False, True), "a model that loads for long is no reason to restart"
    probes.started()
    probes.turned()
    assert said(probes) == (True, True, True)
    probes.ready = lambda: "The canary of a model came out wrong."
    assert said(probes) == (True, False, True)
    probes.ready = lambda: None
    clock.now += LIVE_SECONDS - 1
    assert said(probes) == (True, True, True)
    clock.now += 2
    assert said(probes) == (True, False, False), "its loop stands still"
    probes.turned()
    assert said(probes) == (True, True, True)
    probes.ending()
    assert said(probes) == (True, False, True), "it finishes its work undisturbed"


@pytest.fixture
def served() -> Iterator[tuple[Probes, int]]:
    probes, port = Probes(), free_port()
    server = serve_probes("127.0.0.1", port, probes, lambda: b"tagger_x 1.0\n")
    assert server is not None
    yield probes, port
    server.shutdown()
    server.server_close()


def test_an_orchestrator_and_prometheus_are_answered(served: tuple[Probes, int]) -> None:
    probes, port = served

    def ask(path: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=5)

    assert (ask("/livez").status_code, ask("/startupz").status_code, ask("/readyz").status_code) == (200, 503, 503)
    assert ask("/readyz").json() == {"status": "failed", "detail": "The process is still starting."}
    probes.started()
    assert ask("/startupz").json() == {"status": "ok"}
    assert ask("/readyz?verbose").status_code == 200
    assert ask("/metrics").text == "tagger_x 1.0\n"
    assert ask("/metrics").headers["Content-Type"].startswith("text/plain")
    assert ask("/etc/passwd").status_code == 404


def hung_up(conn: socket.socket) -> bool:
    """After one more byte."""
    conn.settimeout(0.1)
    try:
        conn.sendall(b"G")
        return not conn.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_caller_that_drips_is_hung_up_on_and_others_are_answered(
    served: tuple[Probes, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte came in time, so a deadline for one byte alone kept the thread for ever."""
    monkeypatch.setattr(probe_server, "WHOLE_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", served[1]), 5) as slow:
        deadline = time.monotonic() + 10
        while not hung_up(slow):
            assert time.monotonic() < deadline
    assert requests.get(f"http://127.0.0.1:{served[1]}/livez", timeout=5).status_code == 200


def test_many_silent_callers_keep_nobody_out(served: tuple[Probes, int]) -> None:
    idle = [socket.create_connection(("127.0.0.1", served[1]), 5) for _ in range(probe_server.CONNECTIONS * 2)]
    try:
        assert requests.get(f"http://127.0.0.1:{served[1]}/livez", timeout=5).status_code == 200
    finally:
        for conn in idle:
            conn.close()


def test_a_taken_port_is_named(served: tuple[Probes, int]) -> None:
    with pytest.raises(PortTaken, match=str(served[1])):
        serve_probes("127.0.0.1", served[1], Probes())
    assert serve_probes("127.0.0.1", 0, Probes()) is None


def checked(port: int, *argv: str) -> tuple[int, str]:
    """The health check of a container, as the Dockerfile calls it."""
    run = [sys.executable, "-m", "tagger.telemetry.probe", *argv]
    env = {"TAGGER_METRICS_PORT": str(port), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def test_the_health_check_says_what_the_probe_says(served: tuple[Probes, int]) -> None:
    probes, port = served
    assert checked(port) == (1, '{"status": "failed", "detail": "The process is still starting."}\n')
    probes.started()
    assert checked(port) == (0, '{"status": "ok"}\n')
    assert checked(port, "/livez")[0] == 0
    assert checked(1, "/readyz", str(port))[0] == 0, "the second argument is the port, such as the API's own"
    assert checked(free_port())[0] == 1, "nobody answers"
