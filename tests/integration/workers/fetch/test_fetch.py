"""Fetching from a real, badly behaved server on this machine (promises I2 and I3)."""

from __future__ import annotations

import gzip
import hashlib
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.picture_server import BODY, Answer, Server, endless, get, moved, ok, policy, send

from tagger.asset import ImageSource
from tagger.errors import AddressForbidden, DecodeError, EncodingInvalid, FetchFailed, FetchRefused, ImageTooLarge
from tagger.net.addresses import AddressPolicy, AllowedHost
from tagger.net.client import HttpClient, Request, _Location
from tagger.net.pinned import resolve_checked
from tagger.net.redirects import Step, Walk
from tagger.site import Site
from workers.fetch.fetch import Fetched, FetchPolicy, fetch

TLS = Path(__file__).parent / "tls"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def test_bytes_come_back_with_their_hash(server: Server) -> None:
    server.answers["/a.jpg"] = ok(BODY, "Content-Type: image/jpeg; charset=x")
    fetched = get(server, "/a.jpg?w=100&sig=secret")
    assert fetched.data == BODY
    assert fetched.sha256 == hashlib.sha256(BODY).hexdigest()
    assert fetched.content_type == "image/jpeg"
    assert fetched.final_url == f"http://cms.test:{server.port}/a.jpg"
    assert server.requests[0].startswith("GET /a.jpg?w=100&sig=secret HTTP/1.1\r\n")
    assert server.header("host") == f"cms.test:{server.port}"  # the name, though the socket went to the checked address
    assert server.header("accept-encoding") == "identity"


def test_no_proxy_netrc_or_cookie_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine cms.test login editor password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers["/first"] = ok(b"", "Location: /a.jpg", "Set-Cookie: session=1", status="302 Found")
    server.answers["/a.jpg"] = ok(BODY)
    assert get(server, "/first").data == BODY
    assert server.header("authorization") is None
    assert server.header("cookie") is None


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed(server: Server, status: str) -> None:
    server.answers["/old"] = moved("a.jpg?x=1", status)
    server.answers["/a.jpg"] = ok(BODY)
    assert get(server, "/old").data == BODY


def test_redirects_without_end_stop_after_five(server: Server) -> None:
    server.answers["/loop"] = moved("/loop")
    with pytest.raises(FetchRefused, match="redirects"):
        get(server, "/loop")
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://2130706433/",
        "http://0.0.0.0/",
        "//127.0.0.1:22/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.jpg",
        "http://user:pw@cms.test/",
        "javascript:alert(1)",
    ],
)
def test_a_redirect_to_a_forbidden_place_is_refused(server: Server, location: str) -> None:
    server.answers["/go"] = moved(location)
    with pytest.raises(AddressForbidden):
        fetch(
            ImageSource(kind="url", location=f"http://127.0.0.1:{server.port}/go"),
            policy=policy(server),
            deadline=time.monotonic() + 10,
        )
    assert len(server.requests) == 1


def test_a_private_address_needs_the_site_to_name_host_and_port(server: Server) -> None:
    server.answers["/a.jpg"] = ok(BODY)
    with pytest.raises(AddressForbidden):
        get(server, host="other.test")
    with pytest.raises(AddressForbidden, match="loopback"):
        get(server, host="other.test", ports=frozenset({server.port}))
    with pytest.raises(AddressForbidden, match="loopback"):
        get(server, allowed_hosts=(), ports=frozenset({server.port}))
    assert server.requests == []


def test_an_answer_that_changes_after_the_check_has_no_effect(server: Server) -> None:
    server.answers["/a.jpg"] = ok(BODY)
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    fetched = fetch(
        ImageSource(kind="url", location=f"http://cms.test:{server.port}/a.jpg"),
        policy=policy(server),
        deadline=time.monotonic() + 10,
        resolve=lambda _host, _port: next(answers),
    )
    assert fetched.data == BODY
    assert next(answers) == ["169.254.169.254"]  # nobody asked twice


def test_each_hop_is_resolved_anew(server: Server) -> None:
    server.answers["/go"] = moved("/a.jpg")
    answers = iter([["127.0.0.1"], ["10.0.0.1", "169.254.169.254"]])
    with pytest.raises(AddressForbidden, match="link-local"):
        fetch(
            ImageSource(kind="url", location=f"http://cms.test:{server.port}/go"),
            policy=policy(server),
            deadline=time.monotonic() + 10,
            resolve=lambda _host, _port: next(answers),
        )


def test_the_second_address_is_tried_when_the_first_is_dead(server: Server) -> None:
    server.answers["/a.jpg"] = ok(BODY)
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", server.port))  # bound, not listening: connecting is refused
        fetched = fetch(
            ImageSource(kind="url", location=f"http://cms.test:{server.port}/a.jpg"),
            policy=policy(server),
            deadline=time.monotonic() + 10,
            resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"],
        )
    assert fetched.data == BODY


def test_credentials_go_to_the_named_host_and_stay_there(server: Server) -> None:
    other = Server()
    try:
        server.answers |= {"/a.jpg": moved("/b.jpg"), "/b.jpg": moved(f"http://127.0.0.1:{other.port}/c.jpg")}
        other.answers |= {"/c.jpg": moved("/c2.jpg"), "/c2.jpg": moved(f"http://cms.test:{server.port}/d.jpg")}
        server.answers["/d.jpg"] = ok(BODY)
        hosts = (*policy(server).addresses.allowed_hosts, AllowedHost.parse(f"127.0.0.1:{other.port}"))
        assert get(server, allowed_hosts=hosts, auth="Bearer secret").data == BODY
        assert [server.header("authorization", n) for n in range(3)] == ["Bearer secret", "Bearer secret", None]
        assert [other.header("authorization", n) for n in range(2)] == [None, None], "nor once the other server sends us on"
    finally:
        other.close()


def test_a_stranger_on_the_way_may_not_send_us_to_private_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that the site named may be private, but not at the word of a host that it did not name."""
    way = iter(["http://stranger.test/b.jpg", "http://cms.test/secret"])
    asked: list[str] = []

    def talk(client: HttpClient, request: Request, step: Step, read: object) -> _Location:
        resolve_checked(step.hop.host, 80, private=step.private, deadline=request.deadline, resolve=client._resolve)
        asked.append(step.hop.host)
        return _Location(next(way))

    monkeypatch.setattr(HttpClient, "_ask", talk)
    with pytest.raises(AddressForbidden, match="private"):
        fetch(
            ImageSource(kind="url", location="http://cms.test/a.jpg"),
            policy=FetchPolicy(addresses=AddressPolicy(allowed_hosts=(AllowedHost.parse("cms.test"),))),
            deadline=time.monotonic() + 10,
            resolve=lambda host, _port: ["10.0.0.1"] if host == "cms.test" else ["8.8.8.8"],
        )
    assert asked == ["cms.test", "stranger.test"]


def test_credentials_do_not_go_to_a_host_that_the_site_did_not_name(server: Server) -> None:
    site = Site(id="s", name="S", allowed_hosts=("cms.lan",), fetch_auth="Bearer secret")
    made = FetchPolicy.of(site)
    assert made.addresses.names("cms.lan", 80)
    assert not made.addresses.names("cms.test", 80)
    assert "secret" not in repr(made)


def test_credentials_do_not_follow_to_another_port_or_into_clear_text(server: Server) -> None:
    other = Server()  # the same machine, another service
    try:
        server.answers["/a.jpg"] = moved(f"http://cms.test:{other.port}/b.jpg")
        other.answers["/b.jpg"] = ok(BODY)
        hosts = (*policy(server).addresses.allowed_hosts, AllowedHost.parse(f"cms.test:{other.port}"))
        assert get(server, allowed_hosts=hosts, auth="Bearer secret").data == BODY
        assert server.header("authorization") == "Bearer secret"
        assert other.header("authorization") is None
    finally:
        other.close()
    every_port = AddressPolicy(ports=None)
    named, agreed = (replace(every_port, allowed_hosts=(AllowedHost.parse(host),)) for host in ("cms.test", "cms.test:80"))
    urls = ("https://cms.test/a", "http://cms.test/a", "https://cms.test:9200/a")
    assert [Walk(named, "Bearer secret").start(url).authorization for url in urls] == ["Bearer secret", None, None]
    assert Walk(agreed, "Bearer secret").start("http://cms.test/a").authorization == "Bearer secret"


def test_a_name_alone_opens_no_other_port_of_a_private_machine(server: Server) -> None:
    with pytest.raises(AddressForbidden):
        get(server, allowed_hosts=(AllowedHost.parse("cms.test"),))
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        ("400 Bad", FetchRefused, False),
        ("401 Unauthorized", FetchRefused, False),
        ("404 Not Found", FetchRefused, False),
        ("410 Gone", FetchRefused, False),
        ("204 No Content", FetchRefused, False),
        ("304 Not Modified", FetchRefused, False),
        ("408 Timeout", FetchFailed, True),
        ("425 Too Early", FetchFailed, True),
        ("429 Too Many", FetchFailed, True),
        ("500 Oops", FetchFailed, True),
        ("503 Away", FetchFailed, True),
    ],
)
def test_statuses_say_whether_a_retry_can_help(server: Server, status: str, kind: type[Exception], retryable: bool) -> None:
    server.answers["/a.jpg"] = send(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
    with pytest.raises(kind, match=status[:3]) as caught:
        get(server, "/a.jpg?sig=secret")
    assert caught.value.info().retryable is retryable
    assert "secret" not in str(caught.value.info())


@pytest.mark.parametrize(
    ("status", "asks", "wait"),
    [("429 Too Many", "120", 120_000), ("503 Away", "120", 120_000), ("429 Too Many", "soon", None), ("500 Oops", "120", None)],
)
def test_a_server_says_when_to_come_back(server: Server, status: str, asks: str, wait: int | None) -> None:
    server.answers["/a.jpg"] = send(f"HTTP/1.1 {status}\r\nRetry-After: {asks}\r\nContent-Length: 0\r\n\r\n".encode())
    with pytest.raises(FetchFailed) as caught:
        get(server, "/a.jpg")
    assert caught.value.retry_after_ms == wait


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"\xef\xbb\xbf \n<!-- hi --><HTML lang=en>", b"<head>"])
def test_a_page_in_place_of_an_image_is_named(server: Server, page: bytes) -> None:
    server.answers["/a.jpg"] = ok(page, "Content-Type: image/jpeg")
    with pytest.raises(DecodeError) as caught:
        get(server)
    info = caught.value.info()
    assert (info.code, info.stage, info.detail) == ("image_unreadable", "decode", "The URL returned HTML, not an image.")
    assert info.errors[0].pointer == "/asset/image/url"


def test_an_image_served_as_html_is_still_an_image(server: Server) -> None:
    server.answers["/a.jpg"] = ok(BODY, "Content-Type: text/html")
    assert get(server).data == BODY


def _wait_for_the_client_to_leave(sock: socket.socket) -> None:
    sock.settimeout(30)
    sock.recv(1)


DRIPS = {
    "body": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x", 0.05),
    "status line": endless(b"HTTP/1.1 200 ", b"x", 0.05),
    "headers": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.05),
    "chunks": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05),
    "continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
    "silence": _wait_for_the_client_to_leave,
}


@pytest.mark.parametrize("part", DRIPS)
def test_a_drip_ends_at_the_total_deadline(server: Server, part: str) -> None:
    server.answers["/a.jpg"] = DRIPS[part]
    started = time.monotonic()
    with pytest.raises(FetchFailed, match="in time") as caught:
        get(server, seconds=0.4)
    assert caught.value.retryable
    assert 0.35 <= time.monotonic() - started < 2


def test_a_name_server_that_does_not_answer_ends_at_the_deadline(server: Server) -> None:
    release = threading.Event()

    def hangs(_host: str, _port: int) -> list[str]:
        release.wait(30)
        return []

    started = time.monotonic()
    with pytest.raises(FetchFailed, match="resolved in time"):
        fetch(
            ImageSource(kind="url", location="http://cms.test/a.jpg"),
            policy=FetchPolicy(),
            deadline=time.monotonic() + 0.2,
            resolve=hangs,
        )
    release.set()
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    ],
)
def test_an_endless_body_ends_at_the_byte_cap(server: Server, head: bytes) -> None:
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n" if b"chunked" in head else b"x" * 65536
    server.answers["/a.jpg"] = endless(head, piece)
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLarge):
            get(server, max_bytes=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_a_body_at_the_cap_passes(server: Server) -> None:
    server.answers["/a.jpg"] = ok(BODY)
    assert get(server, max_bytes=len(BODY)).data == BODY
    with pytest.raises(ImageTooLarge):
        get(server, max_bytes=len(BODY) - 1)


@pytest.mark.parametrize(
    "answer",
    [
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nshort"),
        send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"),
        send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nshort\r\n"),
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\nshort"),
        send(b"no http at all\r\n\r\n"),
        send(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 60_000 + b"\r\n"),
        send(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000 + b"\r\n\r\n"),
        send(b""),
    ],
)
def test_a_lying_or_broken_answer_is_a_typed_failure(server: Server, answer: Answer) -> None:
    server.answers["/a.jpg"] = answer
    with pytest.raises(FetchFailed) as caught:
        get(server, "/a.jpg?sig=secret")
    assert caught.value.retryable
    assert "secret" not in str(caught.value)


def test_a_short_content_length_takes_no_more_than_it_says(server: Server) -> None:
    server.answers["/a.jpg"] = send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + BODY)
    assert get(server).data == BODY[:5]


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("X-Gzip", gzip.compress)])
def test_a_compressed_body_is_unpacked_though_not_asked_for(server: Server, name: str, pack: Callable[[bytes], bytes]) -> None:
    server.answers["/a.jpg"] = ok(pack(BODY), f"Content-Encoding: {name}")
    assert get(server).data == BODY


def test_a_compressed_bomb_ends_at_its_ratio_or_the_cap(server: Server) -> None:
    server.answers["/a.jpg"] = ok(gzip.compress(bytes(30_000_000)), "Content-Encoding: gzip")
    with pytest.raises(ImageTooLarge, match="100 to 1"):
        get(server)
    with pytest.raises(ImageTooLarge, match="bytes"):
        get(server, max_bytes=1_000_000)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("br", BODY), ("gzip, gzip", BODY), ("gzip", BODY), ("gzip", gzip.compress(BODY, mtime=0)[:-12])],
    ids=["unknown", "twice", "not packed", "cut off"],
)
def test_an_encoding_that_cannot_be_undone_is_refused(server: Server, encoding: str, body: bytes) -> None:
    server.answers["/a.jpg"] = ok(body, f"Content-Encoding: {encoding}")
    with pytest.raises(EncodingInvalid) as caught:
        get(server)
    info = caught.value.info()
    assert (info.code, info.retryable) == ("image_encoding_invalid", False)
    assert "Content-Encoding" in info.remedy


def test_a_refused_connection_may_be_tried_again(server: Server) -> None:
    server.close()
    with pytest.raises(FetchFailed) as caught:
        get(server, "/a.jpg?sig=secret")
    assert caught.value.retryable
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None  # its text would hold the query


def _tls_server() -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return Server(context)


def _get_tls(server: Server, host: str, *, ca: bool = True, seconds: float = 10) -> Fetched:
    return fetch(
        ImageSource(kind="url", location=f"https://{host}:{server.port}/a.jpg"),
        policy=policy(server, ca_file=str(TLS / "ca.pem") if ca else None),
        deadline=time.monotonic() + seconds,
        resolve=lambda _host, _port: ["127.0.0.1"],
    )


def test_tls_checks_the_name_though_the_address_is_pinned() -> None:
    server = _tls_server()
    try:
        server.answers["/a.jpg"] = ok(BODY)
        assert _get_tls(server, "cms.test").data == BODY
        assert server.names == ["cms.test"]
        assert server.header("host") == f"cms.test:{server.port}"
        with pytest.raises(FetchFailed, match="certificate"):
            _get_tls(server, "127.0.0.1")  # another name than the certificate's
        with pytest.raises(FetchFailed, match="certificate"):
            _get_tls(server, "cms.test", ca=False)  # nobody vouches for it
    finally:
        server.close()


def test_a_drip_over_tls_ends_at_the_total_deadline() -> None:
    server = _tls_server()
    try:
        server.answers["/a.jpg"] = DRIPS["body"]
        started = time.monotonic()
        with pytest.raises(FetchFailed, match="in time"):
            _get_tls(server, "cms.test", seconds=0.5)
        assert time.monotonic() - started < 2
    finally:
        server.close()
