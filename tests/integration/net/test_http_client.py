"""The guarded HTTP client against real sockets, for what neither a fetch nor a delivery asks of it."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from support.picture_server import BODY, Server, endless, moved, ok, send

from integration.workers.deliver.test_deliver_attempt import read_request
from tagger.errors import AddressForbidden
from tagger.net import signing
from tagger.net.addresses import AddressPolicy, AllowedHost
from tagger.net.client import HttpClient, Reply, Request, RequestFailed


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def client() -> Iterator[HttpClient]:
    client = HttpClient(resolve=lambda _host, _port: ["127.0.0.1"])
    yield client
    client.close()


def asking(server: Server, path: str = "/a", **changes: Any) -> Request:
    hosts = (AllowedHost.parse(f"cms.test:{server.port}"),)
    values = {"deadline": time.monotonic() + 10, "addresses": AddressPolicy(allowed_hosts=hosts), **changes}
    return Request(url=f"http://cms.test:{server.port}{path}", **values)


def test_a_method_a_body_and_credentials_arrive_at_a_host_that_was_named(server: Server, client: HttpClient) -> None:
    server.answers["/wp-json/media/7"] = ok(b'{"id": 7}', "Content-Type: application/json")
    request = asking(server, "/wp-json/media/7?x=%7E", method="PATCH", body=b'{"alt_text": "A cat"}', authorization="Basic abc")
    reply = client.send(request, 1000)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b'{"id": 7}', "application/json")
    assert server.requests[0].startswith("PATCH /wp-json/media/7?x=%7E HTTP/1.1\r\n")
    assert server.header("authorization") == "Basic abc"


@pytest.mark.parametrize("key", ["sk-secret\n", "sk-secret-ключ"], ids=["line break", "not Latin"])
def test_a_header_that_cannot_be_sent_is_a_failure_that_does_not_show_it(server: Server, client: HttpClient, key: str) -> None:
    with pytest.raises(RequestFailed) as failed:
        client.send(asking(server, authorization=f"Bearer {key}"), 1000)
    shown = "".join(traceback.format_exception(failed.value))
    assert (failed.value.stage, "sk-secret" in shown) == ("send", False)
    assert server.requests == []


def test_a_signed_request_is_verified_by_the_receiver(server: Server, client: HttpClient) -> None:
    secret, body = signing.new_secret(), b'{"type": "x"}'
    server.answers["/a"] = ok(b"")
    client.send(asking(server, method="POST", body=body, headers=signing.sign([secret], "msg_1", 1_000, body)), 1000)
    received = {name: server.header(name) or "" for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    assert signing.verify([secret], received, body, 1_000) == "msg_1"


def test_a_body_over_the_cap_is_cut(server: Server, client: HttpClient) -> None:
    server.answers["/a"] = endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000)
    reply = client.send(asking(server), 2500)
    assert (reply.cut, len(reply.body)) == (True, 2500)


def test_a_redirect_is_an_answer_unless_the_request_allows_it(server: Server, client: HttpClient) -> None:
    server.answers |= {"/a": moved("/b"), "/b": ok(BODY)}
    assert client.send(asking(server), 9000).status == 302
    assert client.send(asking(server, redirects=1), 9000).body == BODY
    server.answers["/b"] = moved("/c")
    with pytest.raises(RequestFailed, match="More than 1 redirects") as failed:
        client.send(asking(server, redirects=1), 9000)
    assert failed.value.stage == "redirects"


def test_a_private_url_that_was_allowed_does_not_allow_the_next(server: Server, client: HttpClient) -> None:
    """`allow_private` is an operator's word for one URL. Its server may not choose another private one."""
    server.answers["/a"] = moved("/admin")
    server.answers["/admin"] = ok(BODY)
    policy = AddressPolicy(ports=None, allow_private=True)
    with pytest.raises(AddressForbidden):
        client.send(asking(server, addresses=policy, redirects=3), 9000)
    assert [request.split(" ")[1] for request in server.requests] == ["/a"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_follows_no_redirect(method: Any) -> None:
    with pytest.raises(ValueError, match="redirects"):
        Request(url="http://cms.test/", method=method, deadline=0.0, redirects=1)


def test_credentials_among_the_headers_are_refused_where_redirects_are_followed() -> None:
    with pytest.raises(ValueError, match="authorization"):
        Request(url="http://cms.test/", headers={"AUTHORIZATION": "Bearer secret"}, deadline=0.0, redirects=1)


def test_nothing_secret_is_shown_by_a_request_or_its_failure(server: Server, client: HttpClient) -> None:
    server.answers["/a"] = send(b"")
    request = asking(server, "/a?key=secret", headers={"X-Api-Key": "secret"}, authorization="secret", body=b"secret")
    with pytest.raises(RequestFailed) as failed:
        client.send(request, 9000)
    assert failed.value.stage == "answer"
    assert "secret" not in str(failed.value)
    assert "secret" not in repr(request).replace("key=secret", ""), "only the URL, which callers must not log"


@pytest.mark.parametrize(("repeatable", "connections"), [(True, 2), (False, 1)])
def test_only_a_repeatable_request_is_sent_again_when_a_kept_connection_breaks(repeatable: bool, connections: int) -> None:
    """A model provider bills each request, and a CMS without our plugin writes each."""
    accepted: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            peer, _ = listener.accept()
            accepted.append(peer)
            if not read_request(peer):
                return
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            if len(accepted) == 1:
                read_request(peer)  # the second one, which is not answered
                peer.close()

    thread = threading.Thread(target=serve)
    thread.start()
    client = HttpClient(resolve=lambda _host, _port: ["127.0.0.1"])
    policy = AddressPolicy(ports=None, allow_private=True)
    port = listener.getsockname()[1]

    def post() -> Reply:
        request = Request(
            url=f"http://cms.test:{port}/", method="POST", body=b"{}", addresses=policy,
            deadline=time.monotonic() + 10, pool="p", repeatable=repeatable,
        )  # fmt: skip
        return client.send(request, 100)

    try:
        assert post().status == 200
        if repeatable:
            assert post().status == 200
        else:
            with pytest.raises(RequestFailed):
                post()
        assert len(accepted) == connections
    finally:
        client.close()
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join(12)
        for peer in (*accepted, listener):
            peer.close()
