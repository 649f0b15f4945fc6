"""Vectors of query texts, from a child process that holds the text model, because this package runs no model.

The first query takes about a second, until the model is loaded. A child that had nothing to do for ten minutes is ended.
"""

from __future__ import annotations

import contextlib
import json
import queue
import select
import subprocess
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from tagger.errors import EngineStopped
from tagger.settings import Settings, child_env
from tagger.system import interpreter
from tagger.system.children import start_child

if TYPE_CHECKING:
    from tagger.prediction import Vector

log = structlog.get_logger()

ANSWER_SECONDS = 30.0
IDLE_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True, eq=False)
class QueryVector:
    model: str  # name@revision
    vector: Vector


def query_vector(model: str, stored: bytes) -> QueryVector:
    """From the bytes that the ledger keeps."""
    import numpy as np

    return QueryVector(model=model, vector=np.frombuffer(stored, "<f2").astype(np.float32))


class QueryVectors:
    """Thread-safe. The child belongs to a thread of this object: the kernel ends a child with the thread that started it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asked: queue.Queue[tuple[str, Future[QueryVector | None]] | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def of(self, text: str) -> QueryVector | None:
        """None: the embedding model of this installation reads no text. Errors: EngineStopped."""
        answer: Future[QueryVector | None] = Future()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="query-vectors", daemon=True)
                self._thread.start()
        self._asked.put((text, answer))
        return answer.result()

    def close(self) -> None:
        with self._lock:
            thread = self._thread
        if thread is not None:
            self._asked.put(None)
            thread.join(5.0)

    def _run(self) -> None:
        while True:
            try:
                asked = self._asked.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._end()
                continue
            if asked is None:
                self._end()
                return
            text, answer = asked
            try:
                answer.set_result(self._answer(text))
            except (OSError, ValueError, KeyError, EngineStopped) as err:
                self._end()
                log.warning("query_vectors.failed", error=str(err))
                answer.set_exception(EngineStopped(f"The text model did not answer: {err}", "Run `tagger doctor`."))

    def _answer(self, text: str) -> QueryVector | None:
        import numpy as np

        body = self._ask(text)
        if "error" in body:
            raise EngineStopped(str(body["error"].get("detail")))
        if body["model"] is None:
            return None
        return QueryVector(model=body["model"], vector=np.array(body["vector"], np.float32))

    def _ask(self, text: str) -> dict[str, Any]:
        child = self._child
        if child is None or child.poll() is not None:
            child = self._child = start_child(
                interpreter.module("workers.texts"),
                env=child_env(self._settings),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps({"text": text}).encode() + b"\n")
        child.stdin.flush()
        ready, _, _ = select.select([child.stdout], [], [], ANSWER_SECONDS)
        line = child.stdout.readline() if ready else b""
        if not line:
            raise EngineStopped("it ended" if ready else f"it took longer than {ANSWER_SECONDS:g} s")
        body: dict[str, Any] = json.loads(line)
        return body

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
