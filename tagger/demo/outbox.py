"""Sends the hooks of the sample media library. They wait in its database, so none is lost if tagger does not run."""

from __future__ import annotations

import threading
import time

import requests
import structlog

from tagger.demo.media_store import Event, MediaStore
from tagger.net import signing

LOG = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 5.0
FIRST_WAIT_MS, LONGEST_WAIT_MS = 250, 30_000
IDLE_SECONDS = 0.5


class Outbox:
    """One thread. `notify` wakes it. It also looks twice a second for hooks that are due again."""

    def __init__(self, store: MediaStore, hook_url: str, secret: str) -> None:
        self._store, self._url, self._secret = store, hook_url, secret
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._session = requests.Session()
        self._session.trust_env = False

    def start(self) -> None:
        self._thread.start()

    def notify(self) -> None:
        self._wake.set()

    def close(self) -> None:
        """End the thread after the present hook. The others stay in the database."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._session.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            for event in self._store.due(_now_ms()):
                if self._stop.is_set():
                    return
                if not self._send(event):
                    break
            self._wake.wait(IDLE_SECONDS)

    def _send(self, event: Event) -> bool:
        """False: tagger does not answer, so the other hooks are not sent now."""
        headers = signing.sign([self._secret], event.event, _now_ms() // 1000, event.body)
        headers["Content-Type"] = "application/json"
        try:
            answer = self._session.post(
                self._url, data=event.body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as err:
            LOG.info("hook.postponed", event_id=event.event, attempts=event.attempts + 1, cause=type(err).__name__)
            self._later(event)
            return False
        if answer.ok:
            self._store.sent(event.number)
        elif answer.status_code in (400, 413, 422):  # this body will never be accepted; other errors may disappear
            LOG.warning("hook.refused", event_id=event.event, status=answer.status_code)
            self._store.sent(event.number, refusal=f"HTTP {answer.status_code}")
        else:
            LOG.info("hook.postponed", event_id=event.event, attempts=event.attempts + 1, status=answer.status_code)
            self._later(event)
            return answer.status_code != 429 and answer.status_code < 500
        return True

    def _later(self, event: Event) -> None:
        wait: int = min(FIRST_WAIT_MS << min(event.attempts, 10), LONGEST_WAIT_MS)
        self._store.later(event.number, _now_ms() + wait)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
