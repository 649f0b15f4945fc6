"""A stand-in for an OpenTelemetry collector: it takes OTLP over HTTP as protobuf, and keeps the spans."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One span as it arrived; ids in hex."""

    service: str
    name: str
    trace: str
    id: str
    parent: str  # empty: a root
    kind: int
    seconds: float
    links: frozenset[str]  # ids of spans
    attributes: dict[str, Any]
    error: str  # empty: none
    events: int


class Collector:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def spans(self, name: str = "") -> list[Seen]:
        with self._lock:
            return [span for span in self._seen if name in ("", span.name)]

    def take(self, body: bytes) -> None:
        seen = [
            _seen(service, span)
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
            for service in [_values(group.resource.attributes)["service.name"]]
            for scope in group.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self._seen += seen

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _seen(service: str, span: Any) -> Seen:
    return Seen(
        service=service,
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=span.kind,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        links=frozenset(link.span_id.hex() for link in span.links),
        attributes=_values(span.attributes),
        error=span.status.message if span.status.code == 2 else "",
        events=len(span.events),
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
