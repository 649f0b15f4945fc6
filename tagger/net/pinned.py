"""Connecting to an address that was checked, and to no other, within one total deadline.

A name is resolved once; every answer is checked; the socket goes to that very address, while SNI, certificate check and Host
keep the name. So an answer that changes between check and use ("rebinding") has no effect. Each receive may take only what is
left of the deadline, so a peer that drips a byte a second, in headers or body, ends with it.
"""

from __future__ import annotations

import functools
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from tagger.errors import AddressForbidden, FetchFailed
from tagger.net.addresses import PRIVATE, Address, forbidden
from tagger.net.response_head import CleanResponse

Resolve = Callable[[str, int], Sequence[str]]  # host, port → numeric addresses; raises OSError
CONNECT_SECONDS = 5.0  # for one address, so that a dead first answer leaves time for the second


@dataclass(frozen=True, kw_only=True)
class Route:
    """A checked way to a server. `deadline` is a `time.monotonic()` reading."""

    scheme: str
    host: str
    port: int
    addresses: tuple[Address, ...]
    deadline: float

    def left(self) -> float:
        """Seconds left. Errors: TimeoutError when none are."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the total deadline has passed")
        return left


def system_resolve(host: str, port: int) -> list[str]:
    """getaddrinfo, numeric spellings included ("0x7f.1", "2130706433")."""
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


def resolve_checked(host: str, port: int, *, private: bool, deadline: float, resolve: Resolve) -> tuple[Address, ...]:
    """Every address of `host`, all of them allowed.

    private: also allow loopback, private, CGNAT and unique-local ones (a host that the site's operator named).
    Errors: AddressForbidden if any answer is bad, even beside good ones; FetchFailed when the name cannot be resolved in time.
    """
    addresses: list[Address] = []
    for text in _within(deadline, lambda: resolve(host, port), host):
        if "%" in text:
            raise AddressForbidden(f"{host} has a link-local address.")
        address = ip_address(text)
        kind = forbidden(address)
        if kind and not (private and kind in PRIVATE):
            raise AddressForbidden(f"{host} has a forbidden address ({kind}).")
        addresses.append(address)
    if not addresses:
        raise FetchFailed(f"{host} has no address.")
    return tuple(addresses)


def _within(deadline: float, call: Callable[[], Sequence[str]], host: str) -> Sequence[str]:
    # getaddrinfo has no time limit of its own, and cannot be interrupted: leave it to its thread when time is up.
    answer: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(call())
        except (OSError, UnicodeError) as err:
            answer.put(err)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        result = answer.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise FetchFailed(f"The name {host} could not be resolved in time.") from None
    if isinstance(result, Exception):
        raise FetchFailed(f"The name {host} cannot be resolved.") from result
    return result


class _Deadline:
    """Mixed into a socket class: each receive may last only as long as the whole exchange still may."""

    route: Route

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.route.left())  # type: ignore[attr-defined]
        count: int = super().recv_into(*args, **kwargs)  # type: ignore[misc]
        return count


class _PlainSocket(_Deadline, socket.socket):
    pass


class _TlsSocket(_Deadline, ssl.SSLSocket):
    pass


@functools.cache
def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Verifying TLS; built once, because loading the certificates takes tens of milliseconds."""
    context = ssl.create_default_context(cafile=ca_file or certifi.where())
    context.sslsocket_class = _TlsSocket
    return context


def _dial(connection: HTTPConnection, route: Route) -> socket.socket:
    failure: OSError | None = None
    for address in route.addresses:
        sock = _PlainSocket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
        sock.route = route
        try:
            sock.settimeout(min(CONNECT_SECONDS, route.left()))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect((str(address), route.port))
            sock.settimeout(route.left())
            return sock
        except OSError as err:
            sock.close()
            failure = err
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, "connecting took too long") from failure
    raise NewConnectionError(connection, "connecting failed") from failure


class PlainConnection(HTTPConnection):
    route: Route
    response_class = CleanResponse

    def _new_conn(self) -> socket.socket:
        return _dial(self, self.route)


class TlsConnection(HTTPSConnection):
    route: Route
    response_class = CleanResponse

    def _new_conn(self) -> socket.socket:
        return _dial(self, self.route)

    def connect(self) -> None:
        super().connect()
        self.sock.route = self.route  # type: ignore[union-attr]


def open_connection(route: Route, tls: ssl.SSLContext) -> PlainConnection | TlsConnection:
    """A connection to one of the route's addresses. No proxy, cookie, netrc or redirect plays a part in it, and urllib3 sends
    the target of a request as it is given. Errors: those of urllib3, OSError; then nothing is left open.
    """
    connection: PlainConnection | TlsConnection
    if route.scheme == "https":
        connection = TlsConnection(route.host, route.port, ssl_context=tls)
    else:
        connection = PlainConnection(route.host, route.port)
    try:
        arm(connection, route)
        connection.connect()
    except BaseException:
        connection.close()
        raise
    return connection


def arm(connection: PlainConnection | TlsConnection, route: Route) -> None:
    """Puts the route's deadline on a connection: for connecting, for sending and for every receive."""
    connection.route = route
    connection.timeout = max(0.001, route.deadline - time.monotonic())  # urllib3 sets it on the socket before it sends
    if connection.sock is not None:
        sock: Any = connection.sock  # one of the classes above, which urllib3 does not know
        sock.route = route
        sock.settimeout(connection.timeout)
