"""Which unused connections are kept, and which are closed."""

from __future__ import annotations

from typing import Any, cast

from tagger.net.idle_connections import IDLE_SECONDS, MOST, MOST_PER_KEY, IdleConnections, Key


class Connection:
    def __init__(self) -> None:
        self.sock: object | None = object()

    @property
    def is_connected(self) -> bool:
        return self.sock is not None

    def close(self) -> None:
        self.sock = None


class Time:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def key(number: int) -> Key:
    return ("deliver", f"https://site{number}.example", False)


def kept(idle: IdleConnections, number: int) -> Connection:
    connection = Connection()
    idle.give_back(key(number), cast(Any, connection))
    return connection


def test_the_youngest_open_connection_is_taken() -> None:
    idle = IdleConnections(Time())
    older, younger = kept(idle, 1), kept(idle, 1)
    assert [idle.take(key(1)), idle.take(key(1)), idle.take(key(1))] == [younger, older, None]


def test_a_connection_to_a_server_that_is_never_asked_again_is_closed() -> None:
    clock = Time()
    idle = IdleConnections(clock)
    forgotten = kept(idle, 1)
    clock.now += IDLE_SECONDS / 2
    fresh = kept(idle, 2)
    clock.now += IDLE_SECONDS / 2 + 1
    kept(idle, 3)
    assert (forgotten.is_connected, fresh.is_connected) == (False, True)


def test_many_servers_share_one_limit_and_the_oldest_connection_goes() -> None:
    clock = Time()
    idle = IdleConnections(clock)
    connections = []
    for number in range(MOST + 3):
        clock.now += 0.001
        connections.append(kept(idle, number))
    assert [connection.is_connected for connection in connections] == [False] * 3 + [True] * MOST


def test_one_server_does_not_take_all_places() -> None:
    idle = IdleConnections(Time())
    connections = [kept(idle, 1) for _ in range(MOST_PER_KEY + 2)]
    assert sum(connection.is_connected for connection in connections) == MOST_PER_KEY


def test_closing_closes_all() -> None:
    idle = IdleConnections(Time())
    connections = [kept(idle, 1), kept(idle, 2)]
    idle.close()
    assert not any(connection.is_connected for connection in connections)
