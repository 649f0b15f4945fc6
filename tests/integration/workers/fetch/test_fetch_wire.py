"""The requests of a fetch: signed URLs unchanged, every Location that a browser follows, and no other host."""

from __future__ import annotations

import contextlib
import gzip
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.picture_server import BODY, Answer, Server, get, moved, ok, send

from tagger.asset import ImageSource
from tagger.errors import (
    DecodeError,
    EncodingInvalid,
    FetchFailed,
    FetchRefused,
    ImageNotThereYet,
    ImageTooLarge,
    TaggerError,
    UrlInvalid,
)
from workers.fetch.fetch import FetchPolicy, fetch

SIGNED = [
    "/a%7Eb.jpg?X-Amz-Signature=ab%2fcd%2Fef",
    "/a~b.jpg?sig=%41",
    "/A/b+c.jpg?q=a+b%20c",
    "/a.jpg?",
    "/a.jpg?a=/../b/./c&d=//e",
    "/x/../a.jpg",
    "/a//b.jpg?x='y'|z^{w}`",
    "/100%.jpg?50%",
    "/a.jpg?b=c?d",
    "/a.jpg?ü=%C3%BC",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def clean(server: Server) -> None:
    server.answers.clear()
    server.requests.clear()


def requested(server: Server) -> str:
    return server.requests[-1].split("\r\n")[0].removeprefix("GET ").removesuffix(" HTTP/1.1")


@pytest.mark.parametrize("target", SIGNED)
def test_a_signed_url_goes_out_as_it_was_written(server: Server, target: str) -> None:
    wire = target.replace("ü", "%C3%BC")
    server.answers[wire.partition("?")[0]] = ok(BODY)
    assert get(server, target).data == BODY
    assert requested(server) == wire
    server.answers["/to"] = moved(f"http://cms.test:{server.port}{target}")
    assert get(server, "/to").data == BODY
    assert requested(server) == wire, "also when a redirect names it"


@pytest.mark.parametrize(
    ("location", "wire"),
    [
        ("/bilder/süß à.jpg".encode(), "/bilder/s%C3%BC%C3%9F%20%C3%A0.jpg"),
        ("/à".encode(), "/%C3%A0"),  # ends in a byte that Latin-1 takes for a blank
        (b"bild 1.jpg?w=1 2", "/go/bild%201.jpg?w=1%202"),
        ("/sü.jpg".encode("latin-1"), "/s%FC.jpg"),  # goes back as the byte that it came as
        (b"  /a.jpg \t", "/a.jpg"),
        (b"?v=2", "/go/here?v=2"),
        (b"/a.jpg?", "/a.jpg?"),
        (b"../a.jpg?x=../y", "/a.jpg?x=../y"),
        (b"/a%7e.jpg#top", "/a%7e.jpg"),
        ("猫.jpg".encode(), "/go/%E7%8C%AB.jpg"),
    ],
)
def test_a_location_is_followed_as_browsers_do(server: Server, location: bytes, wire: str) -> None:
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
    first = iter([send(head + location + b"\r\n\r\n")])
    server.answers["/go/here"] = lambda sock: next(first, ok(BODY))(sock)
    server.answers[wire.partition("?")[0]] = server.answers.get(wire.partition("?")[0], ok(BODY))
    assert get(server, "/go/here").data == BODY
    assert requested(server) == wire


@pytest.mark.parametrize("target", ['/a.jpg?title="cat"<1>', "/a.jpg?title=%22cat%22%3C1%3E"])
def test_what_no_url_may_hold_is_encoded_in_the_query_too(server: Server, target: str) -> None:
    """As browsers do: a Java server answers 400 to a quotation mark or an angle bracket."""
    server.answers["/a.jpg"] = ok(BODY)
    assert get(server, target).data == BODY
    assert requested(server) == "/a.jpg?title=%22cat%22%3C1%3E"


def test_a_url_with_a_blank_is_fetched(server: Server) -> None:
    server.answers["/my%20cat.jpg"] = ok(BODY)
    assert get(server, "/my cat.jpg").data == BODY


@pytest.mark.parametrize(
    "location",
    ["http://[", "//[", "http://cms.test:port/", "http://cms.test:99999/", "http://cms.test:0/", "http://", "http:a.jpg", "//",
     "http://a b/", "/\\x", "http://cms.test\\@evil.test/", "http://[::1/", "http://[v7.x]/", "http://%31.test/"],
)  # fmt: skip
def test_a_malformed_location_is_final(server: Server, location: str) -> None:
    server.answers["/go"] = moved(location)
    with pytest.raises(UrlInvalid) as caught:
        get(server, "/go")
    assert (caught.value.info().code, caught.value.info().retryable) == ("image_url_invalid", False)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + BODY[:20], "/a.jpg sent fewer bytes than it announced."),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n90\r\nabc", "/a.jpg sent fewer bytes than it announced."),
        (b"", " broke off, or its answer is not HTTP."),
        (b"SSH-2.0-OpenSSH\r\n", " broke off, or its answer is not HTTP."),
    ],
    ids=["shorter than its length", "a chunk that ends early", "nothing", "not HTTP"],
)
def test_a_server_that_was_reached_is_not_told_as_one_that_was_not(server: Server, answer: bytes, told: str) -> None:
    """An operator would look for the fault in the network."""
    server.answers["/a.jpg"] = send(answer)
    with pytest.raises(FetchFailed) as caught:
        get(server, "/a.jpg")
    assert str(caught.value) == f"http://cms.test:{server.port}{told}"


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = BODY * 200  # more than is read at once


def stalled(data: bytes) -> Answer:
    def answer(sock: socket.socket) -> None:
        sock.sendall(data)
        sock.recv(1)  # until the client leaves

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        send(LENGTH + LONG),
        send(CHUNKED + b"%x\r\n" % (len(LONG) + 7) + LONG),
        send(CHUNKED + b"%x\r\n" % len(LONG) + LONG + b"\r\n"),
    ],
    ids=["length", "chunk", "no last chunk"],
)
def test_the_last_attempt_returns_what_came(server: Server, answer: Answer) -> None:
    server.answers["/a.jpg"] = answer
    with pytest.raises(FetchFailed):
        get(server)
    fetched = get(server, last_attempt=True)
    assert fetched.data == LONG
    assert str(fetched.broke_off) == f"http://cms.test:{server.port}/a.jpg sent fewer bytes than it announced."


def test_the_last_attempt_returns_what_came_before_the_server_stood_still(server: Server) -> None:
    server.answers["/a.jpg"] = stalled(LENGTH + LONG)
    fetched = get(server, seconds=3, last_attempt=True)
    assert fetched.data == LONG
    assert str(fetched.broke_off) == f"http://cms.test:{server.port}/a.jpg did not give the image in time."


@pytest.mark.parametrize(
    "answer",
    [send(LENGTH), send(CHUNKED), send(LENGTH.replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1) + gzip.compress(LONG)[:90])],
    ids=["nothing", "no chunk", "half of a gzip"],
)  # fmt: skip
def test_what_is_of_no_use_fails_the_last_attempt_too(server: Server, answer: Answer) -> None:
    server.answers["/a.jpg"] = answer
    with pytest.raises(FetchFailed, match="fewer bytes"):
        get(server, last_attempt=True)


def test_a_last_attempt_reads_a_whole_answer_as_any_other(server: Server) -> None:
    for body in (ok(LONG), ok(gzip.compress(LONG), "Content-Encoding: gzip"), send(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n")):
        server.answers["/a.jpg"] = body
        assert get(server, last_attempt=True) == get(server)
    server.answers["/a.jpg"] = ok(LONG)
    with pytest.raises(ImageTooLarge):
        get(server, last_attempt=True, max_bytes=len(LONG) - 1)


LAST = len(BODY) - 1


@pytest.mark.parametrize(
    ("status", "range_"),
    [
        ("201 Created", ""),
        ("202 Accepted", ""),
        ("203 Non-Authoritative Information", ""),
        ("206 Partial Content", f"bytes 0-{LAST}/{LAST + 1}"),
    ],
    ids=["201", "202", "203", "206"],
)
def test_an_image_that_comes_with_another_success_is_fetched(server: Server, status: str, range_: str) -> None:
    server.answers["/a.jpg"] = ok(BODY, *([f"Content-Range: {range_}"] if range_ else []), status=status)
    assert get(server).data == BODY


@pytest.mark.parametrize(
    "range_", [None, "", f"bytes 0-{LAST}/{LAST + 2}", f"bytes 1-{LAST}/{LAST + 1}", f"bytes 0-{LAST}/*", "bytes */9", "0-1/2"]
)
def test_a_part_of_an_image_is_none(server: Server, range_: str | None) -> None:
    server.answers["/a.jpg"] = ok(BODY, *([] if range_ is None else [f"Content-Range: {range_}"]), status="206 Partial Content")
    with pytest.raises(FetchRefused, match="answered 206"):
        get(server)


def test_two_locations_are_not_chosen_from(server: Server) -> None:
    server.answers["/go"] = ok(b"", "Location: /a.jpg", "Location: http://evil.test/b.jpg", status="302 Found")
    with pytest.raises(UrlInvalid):
        get(server, "/go")


@pytest.mark.parametrize(
    "encoding",
    [
        "aws-chunked",
        "UTF-8",
        "utf8",
        "ISO-8859-1",
        "windows-1252",
        "binary",
        "none",
        "identity, aws-chunked",
        "",
        "image/jpeg",
        "image/svg+xml; charset=utf-8",
        "jpg",
    ],
)
def test_an_encoding_that_is_none_is_ignored(server: Server, encoding: str) -> None:
    server.answers["/a.jpg"] = ok(BODY, f"Content-Encoding: {encoding}")
    assert get(server).data == BODY


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_gzip_beside_aws_chunked_is_undone_where_it_is_there(server: Server, pack: Callable[[bytes], bytes]) -> None:
    server.answers["/a.jpg"] = ok(pack(BODY), "Content-Encoding: gzip, aws-chunked")
    assert get(server).data == BODY


def test_a_body_that_was_packed_twice_is_unpacked_twice(server: Server) -> None:
    server.answers["/a.jpg"] = ok(zlib.compress(gzip.compress(BODY)), "Content-Encoding: gzip, deflate")
    assert get(server).data == BODY
    server.answers["/a.jpg"] = ok(gzip.compress(BODY), "Content-Encoding: gzip, gzip, gzip")
    with pytest.raises(EncodingInvalid):
        get(server)


def test_a_deflate_without_its_header_is_read(server: Server) -> None:
    packer = zlib.compressobj(wbits=-15)
    server.answers["/a.jpg"] = ok(packer.compress(BODY) + packer.flush(), "Content-Encoding: deflate")
    assert get(server).data == BODY


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "br, aws-chunked", "x-secret", "\x7f"])
def test_an_unknown_encoding_has_a_code_of_its_own(server: Server, encoding: str) -> None:
    server.answers["/a.jpg"] = ok(BODY, f"Content-Encoding: {encoding}")
    with pytest.raises(EncodingInvalid) as caught:
        get(server)
    assert caught.value.info().remedy


def test_the_caps_hold_beside_aws_chunked(server: Server) -> None:
    server.answers["/a.jpg"] = ok(gzip.compress(bytes(30_000_000)), "Content-Encoding: gzip, aws-chunked")
    with pytest.raises(ImageTooLarge, match="100 to 1"):
        get(server)
    server.answers["/a.jpg"] = ok(BODY, "Content-Encoding: aws-chunked")
    with pytest.raises(ImageTooLarge):
        get(server, max_bytes=len(BODY) - 1)


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "200 OK"])
@pytest.mark.parametrize("body", [b"", b"<!-- theme --><html><title>Page not found</title></html>"], ids=["empty", "a page"])
def test_a_file_that_is_not_public_yet_is_tried_again(server: Server, status: str, body: bytes) -> None:
    """An empty file too: it has been made, and not written. And a CMS may answer 200 with its page "not found"."""
    server.answers["/a.jpg"] = ok(body, status=status)
    with pytest.raises(ImageNotThereYet) as caught:
        get(server, may_be_early=True)
    assert caught.value.info().retryable


def test_a_page_is_final_where_no_hook_came_just_now(server: Server) -> None:
    server.answers["/a.jpg"] = ok(b"<html><title>Page not found</title></html>")
    with pytest.raises(DecodeError, match="HTML") as caught:
        get(server)
    assert not caught.value.info().retryable


@dataclass(frozen=True, kw_only=True)
class AnyHost(FetchPolicy):
    """Any name may be private here, so that what is connected to can be seen."""

    def names(self, host: str, port: int) -> bool:
        return True


PARTS = "cms.test|evil.test|127.0.0.1|[::1]|@|:|/|\\|#|?|%2f|%40| |\t|.|。|１|é|℀|：|//|http://|&|;|,|[|]|\xa0|\u200d"
PIECES = st.lists(st.sampled_from([*PARTS.split("|"), "\r\nHost: evil.test"]), max_size=6).map("".join)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=PIECES, after=PIECES, redirected=st.booleans())
@example(before="cms.test", after="@evil.test/", redirected=True)
@example(before="cms.test", after="/..//evil.test", redirected=True)
@example(before="..", after="", redirected=False)
@example(before="", after="/ \u200d/é?/../@evil.test", redirected=False)
def test_what_is_checked_is_what_is_connected_to_and_named(server: Server, before: str, after: str, redirected: bool) -> None:
    """The resolver, the socket, the Host header and the request line all see the same host, at every hop."""
    server.requests.clear()
    resolved: list[tuple[str, int]] = []
    given_url = f"http://{before}:{server.port}{after}"
    server.answers["/go"] = send(
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + given_url.replace("\r\n", "").encode() + b"\r\n\r\n"
    )

    def resolve(host: str, port: int) -> list[str]:
        resolved.append((host, port))
        return ["127.0.0.1"] if port == server.port else []

    start = f"http://first.test:{server.port}/go" if redirected else given_url
    with contextlib.suppress(TaggerError):  # typed, whatever comes
        fetch(ImageSource(kind="url", location=start), policy=AnyHost(), deadline=time.monotonic() + 10, resolve=resolve)
    connected = [(host, port) for host, port in resolved if port == server.port]
    assert len(server.requests) == len(connected)
    for request, (host, port) in zip(server.requests, connected, strict=True):
        lines = request.split("\r\n")
        named = [line.removeprefix("Host: ") for line in lines if line.lower().startswith("host:")]
        assert named == [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
        method, target, version = lines[0].split(" ")
        assert (method, version) == ("GET", "HTTP/1.1")
        assert target.startswith("/")
        assert target.isascii()
