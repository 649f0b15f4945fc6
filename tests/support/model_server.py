"""A server on the loopback address that answers chat completions as a test says, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def completion(text: str | None, *log_probs: float, reason: str = "stop") -> Answer:
    """As OpenAI, vLLM and llama.cpp answer."""
    tokens = {"content": [{"token": "x", "logprob": value} for value in log_probs]} if log_probs else None
    message = {"role": "assistant", "content": text}
    return Answer(body={"choices": [{"index": 0, "finish_reason": reason, "message": message, "logprobs": tokens}]})


@dataclass
class ModelServer:
    url: str
    answer: Callable[[dict[str, Any]], Answer]  # from the body of the request
    asked: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


@contextmanager
def model_server(answer: Callable[[dict[str, Any]], Answer]) -> Iterator[ModelServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.asked.append(body)
            made.paths.append(self.path)
            made.keys.append(self.headers.get("Authorization"))
            reply = made.answer(body)
            data = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(data)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = ModelServer(f"http://127.0.0.1:{server.server_port}/v1", answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
