"""Connections of the HTTP servers: deadlines for slow peers and a limit on how many are open.

uvicorn waits without end for a request's head, for the rest of a body that nobody reads any more, and for a peer that does not
read its answer. A few thousand such connections use up the process's file descriptors, and then nobody else is served.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import h11
import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # from the first moment to the end of a request's head
REST_SECONDS = 30.0  # for the rest of a body whose request was answered already
UNREAD_SECONDS = 60.0  # that a peer may leave its answer unread
CONNECTIONS = 1_000
BACKLOG = 256  # asyncio accepts up to so many at once, before any of them is seen by `connection_made`
DESCRIPTORS = 4_096
SPARE_DESCRIPTORS = 256 + BACKLOG  # of the process: ledger, broker, files, and what was accepted and not yet counted


def config(app: Any, **options: Any) -> uvicorn.Config:
    """uvicorn's own settings, as both our servers use them."""
    open_ones = OpenConnections(most=min(CONNECTIONS, max(64, _descriptors() - SPARE_DESCRIPTORS)))
    protocol = type("CountedConnection", (Connection,), {"open_ones": open_ones})
    # proxy_headers: who calls is asked in callers.py alone; by default whoever is on loopback may claim to be another
    return uvicorn.Config(
        app, http=protocol, ws="none", backlog=BACKLOG, access_log=False, server_header=False, proxy_headers=False, **options
    )


def _descriptors() -> int:
    """Raise the process's own limit on open files to what is needed, where the system allows it; the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return DESCRIPTORS if soft == resource.RLIM_INFINITY else max(soft, wanted)


def ambiguous(scope: Scope) -> bool:
    """Whether two programs may disagree on where the request's body ends, which lets one smuggle a request past the other."""
    names = {name for name, _ in scope["headers"]}
    if b"transfer-encoding" not in names:
        return False
    return b"content-length" in names or scope.get("http_version") == "1.0"


class Timer:
    """Calls `then` once. Starting one that runs changes nothing, so a peer that drips gets no more time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, then: Callable[[], None]) -> None:
        self._loop, self._then = loop, then
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        if self._handle is None:
            self._handle = self._loop.call_later(seconds, self._then)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


@dataclass
class OpenConnections:
    """The connections of one server that wait for their peer, each list with the longest waiting first."""

    most: int
    heads: dict[Connection, None] = field(default_factory=dict)  # for a request, or the rest of its head
    bodies: dict[Connection, None] = field(default_factory=dict)  # for the rest of a body

    def make_room(self, newest: Connection) -> None:
        """End the connection that has waited longest, of the longer list; the new one where all are being served.

        An honest request arrives within moments, so it is hardly ever the oldest, however many others are opened beside it.
        As the lists shrink in turn, slow heads alone end no upload, and slow bodies alone no new connection.
        """
        longer = max(self.heads, self.bodies, key=len)
        oldest = next(iter(longer), newest)
        oldest.abort()


class Connection(H11Protocol):
    """One connection. uvicorn makes one for each that was accepted."""

    open_ones: ClassVar[OpenConnections]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._list: dict[Connection, None] | None = None  # the list of `open_ones` that it is in
        self._deadline = Timer(self.loop, self.abort)  # of the head, or of the rest of a body
        self._unread = Timer(self.loop, self.abort)  # of an answer that the peer does not read

    # --- what asyncio and uvicorn call ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._mind_peer()
        if len(self.connections) > self.open_ones.most:
            self.open_ones.make_room(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._join(None)
        self._unset_keepalive_if_required()  # uvicorn leaves it armed after an error
        super().connection_lost(exc)
        self._deadline.stop()
        self._unread.stop()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._mind_peer()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._mind_peer()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._mind_peer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.start(UNREAD_SECONDS)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._unread.stop()

    def _should_upgrade(self) -> bool:
        return False  # there are no web sockets here; uvicorn would write a line of log for each such request

    # --- what we do about it ---

    def abort(self) -> None:
        self._join(None)
        self.connections.discard(self)  # `connection_lost` follows with the loop's next turn; many may come before it
        self.transport.abort()

    def _mind_peer(self) -> None:
        """One deadline while the peer owes us something. A body that a request reads has the middleware's own deadlines."""
        if self.transport.is_closing():
            self._join(None)
            self._unread.start(UNREAD_SECONDS)  # what was written is still on its way
            return
        awaits_head = self.conn.their_state is h11.IDLE
        awaits_body = self.conn.their_state is h11.SEND_BODY
        self._join(self.open_ones.heads if awaits_head else self.open_ones.bodies if awaits_body else None)
        answered = self.cycle is not None and self.cycle.response_complete
        if not (awaits_head or (awaits_body and answered)):
            self._deadline.stop()
        elif awaits_body or self.timeout_keep_alive_task is None:
            # uvicorn's keep-alive timer ends a connection that is idle; the first byte of the next request stops it
            self._deadline.start(HEAD_SECONDS if awaits_head else REST_SECONDS)

    def _join(self, waiting: dict[Connection, None] | None) -> None:
        if waiting is self._list:
            return
        if self._list is not None:
            self._list.pop(self, None)
        if waiting is not None:
            waiting[self] = None
        self._list = waiting
