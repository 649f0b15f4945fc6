"""The port that an orchestrator and Prometheus ask: `/livez`, `/startupz`, `/readyz` and `/metrics` of one process.

The answers come from memory. So a probe never waits for the ledger or the broker, and no outage of either restarts a process.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import REGISTRY

from tagger.errors import PortTaken

LIVE_SECONDS = 120.0  # one turn of a loop may wait for a silent ledger and a silent broker, one after the other
CONNECTIONS = 64  # the oldest makes room for one more
WHOLE_SECONDS = 10.0  # for a whole connection: head, answer, and its reading
ASK_SECONDS = 5.0  # for the head of a request: a slow caller keeps no thread

Check = Callable[[], str | None]  # None: well; else the problem


def started_process() -> None:
    """The check of a process that has nothing to load."""


@dataclass
class Probes:
    """What the three probes of a process say. Thread-safe."""

    clock: Callable[[], float] = time.monotonic
    ready: Check = started_process  # asked only after the start, and not while the process ends
    _turned: float | None = None
    _started: threading.Event = field(default_factory=threading.Event)
    _ending: threading.Event = field(default_factory=threading.Event)

    def turned(self) -> None:
        """The process's own loop calls this at each turn."""
        self._turned = self.clock()

    def started(self) -> None:
        """Models are loaded, the canary came out right, and the ledger knows this process."""
        self._started.set()

    def ending(self) -> None:
        self._ending.set()

    def liveness(self) -> str | None:
        if self._turned is None or self.clock() - self._turned < LIVE_SECONDS:
            return None
        return f"The loop of this process has not turned for {self.clock() - self._turned:.0f} s."

    def startup(self) -> str | None:
        return None if self._started.is_set() else "The process is still starting."

    def readiness(self) -> str | None:
        if self._ending.is_set():
            return "The process is ending."
        return self.startup() or self.liveness() or self.ready()


def own_metrics() -> bytes:
    return generate_latest(REGISTRY)


def serve_probes(host: str, port: int, probes: Probes, metrics: Callable[[], bytes] = own_metrics) -> ThreadingHTTPServer | None:
    """Serve in a thread until the process ends. Port 0 serves nothing. Errors: PortTaken."""
    if port == 0:
        return None
    own = {"/livez": probes.liveness, "/startupz": probes.startup, "/readyz": probes.readiness}

    class Handler(_Handler):
        checks = own
        exposition = staticmethod(metrics)

    try:
        server = _Server((host, port), Handler)
    except OSError as err:
        raise PortTaken(f"Port {port} of {host} cannot be used: {err.strerror}.", "Set another `metrics_port`.") from err
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    """A connection has one deadline for all of it: a caller that drips a byte now and then would keep a thread for ever."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._ends: dict[Any, float] = {}  # connection → time.monotonic() at which it is closed; the oldest first
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._ends) >= CONNECTIONS:
                _hang_up(next(iter(self._ends)))
            self._ends[request] = time.monotonic() + WHOLE_SECONDS
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._ends.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called by `serve_forever` twice a second."""
        now = time.monotonic()
        with self._lock:
            for request in [request for request, end in self._ends.items() if end <= now]:
                _hang_up(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a caller that left, or was hung up on
            super().handle_error(request, client_address)


def _hang_up(request: Any) -> None:
    """Its thread then ends the connection."""
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    timeout = ASK_SECONDS
    checks: ClassVar[dict[str, Check]]
    exposition: Callable[[], bytes]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, self.exposition())
        elif path in self.checks:
            problem = self.checks[path]()
            body = json.dumps({"status": "ok"} if problem is None else {"status": "failed", "detail": problem})
            self._answer(200 if problem is None else 503, "application/json", body.encode())
        else:
            self._answer(404, "text/plain", b"Ask for /livez, /startupz, /readyz or /metrics.\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes come every few seconds; a line for each would hide the others."""
