"""tagger's part: signed messages to the endpoint under test."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import requests

from tagger.conformance.outcome import Failed
from tagger.ids import new_id
from tagger.instants import format_instant
from tagger.net import signing

SECONDS = 30.0
SHOWN = 200  # characters of an answer, in a report


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    body: bytes

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        return 400 <= self.status < 500

    def json(self) -> Any:
        """Errors: Failed for a body that is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failed(f"The answer ({self.status}) is not JSON: {self}") from None

    def __str__(self) -> str:
        return repr(self.body[:SHOWN].decode("utf-8", "replace"))


class Client:
    """Sends messages from any thread. `sequence` rises over the whole run, so that a second run is never older."""

    def __init__(self, endpoint: str, secrets: Sequence[str]) -> None:
        self._endpoint, self._secrets = endpoint, tuple(secrets)
        self._numbers = itertools.count(time.time_ns() // 1_000_000)
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        for session in self._sessions:
            session.close()

    def sequence(self) -> int:
        return next(self._numbers)

    def send(
        self,
        kind: str,
        data: Mapping[str, Any],
        *,
        delivery: str | None = None,
        secrets: Sequence[str] | None = None,
        age_s: int = 0,
    ) -> Reply:
        body, headers = self.signed(kind, data, delivery=delivery, secrets=secrets, age_s=age_s)
        return self.post(body, headers)

    def signed(
        self,
        kind: str,
        data: Mapping[str, Any],
        *,
        delivery: str | None = None,
        secrets: Sequence[str] | None = None,
        age_s: int = 0,
    ) -> tuple[bytes, dict[str, str]]:
        message = {"type": kind, "timestamp": format_instant(time.time_ns() // 1_000_000), "data": dict(data)}
        body = json.dumps(message, separators=(",", ":")).encode()
        headers = signing.sign(secrets or self._secrets, delivery or new_id("dlv"), int(time.time()) - age_s, body)
        return body, {**headers, "Content-Type": "application/json", "User-Agent": "tagger"}

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Errors: Failed where no answer comes."""
        try:
            answer = self._session().post(self._endpoint, data=body, headers=headers, timeout=SECONDS, allow_redirects=False)
        except requests.RequestException as err:
            raise Failed(f"{self._endpoint} did not answer: {type(err).__name__}.") from err
        return Reply(status=answer.status_code, body=answer.content)

    def lose_answer(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Sends a message and hangs up before the answer comes."""
        try:
            with requests.post(
                self._endpoint, data=body, headers=headers, timeout=(SECONDS, 0.001), allow_redirects=False, stream=True
            ):
                pass
        except requests.RequestException:
            pass  # that the answer is lost is what was wanted

    @property
    def secrets(self) -> tuple[str, ...]:
        return self._secrets

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
            self._sessions.append(self._local.session)
        session: requests.Session = self._local.session
        return session
