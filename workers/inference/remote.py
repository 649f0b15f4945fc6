"""A captioner on another server, with the methods of an engine.

No device is here to watch, so there is no owner thread, no batch and no canary. If the server does not answer, no image is
charged: the job is released, and this worker claims nothing until a pause is over.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog

from tagger.errors import AddressForbidden, EngineStopped, ModelError, ModelServerUnavailable, SettingsError
from tagger.net.addresses import AddressPolicy
from tagger.net.client import HttpClient, Reply, Request, RequestFailed
from tagger.prediction import CaptionPrediction, Pixels, Vector
from tagger.settings import Settings
from workers.inference.engine import State
from workers.inference.suspects import Suspects
from workers.models.base import PartialPrediction
from workers.models.openai import wire

log = structlog.get_logger(__name__)

MOST_BYTES = 1 << 20  # of an answer
CONNECT_SECONDS = 5.0
PAUSES = (1.0, 5.0, 15.0, 60.0)  # seconds after failures in a row; the last one repeats
OF_A_PICTURE = frozenset({200, 500, 502, 504})  # statuses of a server that fails on one picture; 200: without a completion
LONGEST_PAUSE_SECONDS = 300.0  # also if the server asks for more


class RemoteCaptioner:
    """Thread-safe: each task thread sends its own request."""

    def __init__(
        self, settings: Settings, *, client: HttpClient | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Errors: SettingsError if the server or its model is not set."""
        if not settings.openai_url or not settings.openai_model:
            raise SettingsError("caption = openai needs openai_url and openai_model.", "Set both; docs/models.md has an example.")
        self._url = settings.openai_url.rstrip("/") + "/chat/completions"
        self._name = settings.openai_model
        self._log_probs = settings.openai_log_probs
        self._seconds = settings.openai_seconds
        self._addresses = AddressPolicy(ports=None, allow_private=settings.openai_private)
        self._headers = {"Content-Type": "application/json"}
        self._secret = "" if settings.openai_key is None else settings.openai_key.get_secret_value()
        if self._secret:
            self._headers["Authorization"] = f"Bearer {self._secret}"
        self._slots = threading.BoundedSemaphore(settings.openai_requests)
        self._client = client or HttpClient()
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0  # in a row
        self._suspects = Suspects()
        self._not_before = float("-inf")
        self._closed = threading.Event()

    @property
    def model(self) -> str:
        return f"openai@{wire.revision(self._url, self._name)}"

    @property
    def state(self) -> State:
        return "stopped" if self._closed.is_set() else "ready"

    @property
    def ready(self) -> bool:
        """False during the pause after a failure."""
        return not self._closed.is_set() and self._clock() >= self._not_before

    def start(self) -> None:
        log.info("model.remote", model=self.model, server=urlsplit(self._url).hostname, name=self._name)

    def wait_ready(self, timeout: float) -> bool:  # noqa: ARG002 - nothing is loaded
        return not self._closed.is_set()

    def alive(self) -> bool:
        """A server that is away is no reason to end this process."""
        return True

    def predict(self, pixels: Pixels, instruction: str = "", *, deadline: float) -> PartialPrediction:  # noqa: ARG002
        """Errors: ModelServerUnavailable, EngineStopped (no attempt counts); ModelError if the server refuses this picture."""
        body = wire.request_body(self._name, pixels, log_probs=self._log_probs)
        if not self._slots.acquire(timeout=max(0.0, deadline - self._clock())):
            raise ModelServerUnavailable("No request to the model server was free in time.")
        try:
            if self._closed.is_set():
                raise EngineStopped("The worker is ending.")
            said = self._ask(body, min(deadline, self._clock() + self._seconds))
        finally:
            self._slots.release()
        caption = None
        if said is not None:  # without log-probabilities nothing says how sure the model is: a person decides
            caption = CaptionPrediction(model=self.model, text=said.text, score=0.0, log_prob=said.log_prob)
        return PartialPrediction(model=self.model, caption=caption)

    def read(self, text: str, *, deadline: float) -> Vector:  # noqa: ARG002
        """Errors: ModelError."""
        raise ModelError(f"{self.model} does not read texts.")

    def close(self, *, drain: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002 - requests end by their deadline
        self._closed.set()
        self._client.close()

    def _ask(self, body: bytes, deadline: float) -> wire.Sentence | None:
        """Errors: as `predict`. The first failure is the server's; a picture that fails again beside good answers is charged."""
        reply: Reply | None = None
        picture = hashlib.sha256(body).digest()
        try:
            reply = self._send(body, deadline)
            said = wire.sentence(reply, proven=not self._suspects.none_answered, secret=self._secret)
        except ModelServerUnavailable as err:
            if _may_be_of_the_picture(err, reply) and self._suspects.failed(picture):
                raise ModelError(f"The model server answers other pictures, and fails again on this one. {err}") from err
            self._pause(err, reply)
            raise
        self._suspects.answered(picture)
        with self._lock:
            self._failures = 0
        return said

    def _send(self, body: bytes, deadline: float) -> Reply:
        request = Request(
            method="POST",
            url=self._url,
            headers=self._headers,
            body=body,
            addresses=self._addresses,
            deadline=deadline,
            connect_seconds=CONNECT_SECONDS,
            pool=self._url,
            repeatable=True,
        )
        try:
            return self._client.send(request, MOST_BYTES)
        except AddressForbidden as err:
            raise ModelServerUnavailable(str(err), "Set openai_private if the server is in your own network.") from err
        except RequestFailed as err:
            raise ModelServerUnavailable(str(err)) from err

    def _pause(self, err: ModelServerUnavailable, reply: Reply | None) -> None:
        asked = (reply.headers.get("retry-after", "") if reply is not None else "").strip()
        with self._lock:
            if self._clock() >= self._not_before:  # requests that were under way together fail together
                self._failures += 1
            pause = PAUSES[min(max(self._failures, 1), len(PAUSES)) - 1]  # 0: an answer came since the pause began
            if asked.isascii() and asked.isdigit():
                pause = min(max(pause, float(asked)), LONGEST_PAUSE_SECONDS)
            self._not_before = max(self._not_before, self._clock() + pause)
        log.warning("model.server_unavailable", error=str(err), pause_seconds=pause)


def _may_be_of_the_picture(err: ModelServerUnavailable, reply: Reply | None) -> bool:
    """Whether a picture can cause such a failure. A wrong key, a busy server or one that cannot be reached has another cause."""
    if reply is None:
        return isinstance(err.__cause__, RequestFailed) and err.__cause__.stage == "answer"
    return reply.status in OF_A_PICTURE
