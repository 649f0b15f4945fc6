"""Servers that are odd and that every browser reads all the same: interim answers, broken header lines, checksums, lengths."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Iterator

import pytest
from support.picture_server import BODY, Server, get, ok, send

from tagger.errors import EncodingInvalid, FetchFailed, ImageTooLarge
from tagger.net.response_head import MAX_HEAD, MAX_INTERIM

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\nContent-Length: 9\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
LENGTH = f"Content-Length: {len(BODY)}\r\n".encode()
CHUNKS = b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize(
    "before", [HINTS, PROCESSING, HINTS * 3, b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS, PROCESSING * MAX_INTERIM]
)
def test_an_interim_answer_is_not_the_answer(server: Server, before: bytes) -> None:
    server.answers["/a.jpg"] = send(before + b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\n" + BODY)
    assert get(server).data == BODY
    server.answers["/go"] = send(before + b"HTTP/1.1 302 Found\r\nLocation: /a.jpg\r\nContent-Length: 0\r\n\r\n")
    assert get(server, "/go").data == BODY


@pytest.mark.parametrize(
    "line",
    [
        b"X Powered By: me",
        b"no colon at all",
        "X-Größe: 5".encode(),
        b": no name",
        b"HTTP/1.1 200 OK",
        b"X-A: b\rc",
        b"X-A: b\r\n\tand more",
        b" as if it went on",
        b"From me to you",
        'Content-Disposition: inline; filename="Ångström à.jpg"'.encode(),
        b"\r\n".join(b"Set-Cookie: c%d=1" % n for n in range(150)),
        b"Content-Security-Policy: " + b"x" * 100_000,
    ],
)
def test_a_header_line_that_cannot_be_read_hides_no_other(server: Server, line: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + line + b"\r\n"
    server.answers["/a.jpg"] = send(head + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS)
    assert get(server).data == BODY
    server.answers["/go"] = send(b"HTTP/1.1 302 Found\r\n" + line + b"\r\nLocation: /a.jpg\r\nContent-Length: 0\r\n\r\n")
    assert get(server, "/go").data == BODY


def test_a_blank_before_the_colon_is_passed_over(server: Server) -> None:
    server.answers["/a.jpg"] = send(b"HTTP/1.1 200 OK\nServer : me\nTransfer-Encoding : chunked\n\n" + CHUNKS)
    assert get(server).data == BODY


@pytest.mark.parametrize("head", [b"X: " + b"x" * MAX_HEAD, b"X: y\r\n" * (MAX_HEAD // 6)], ids=["one line", "many lines"])
def test_a_head_without_end_is_bounded(server: Server, head: bytes) -> None:
    server.answers["/a.jpg"] = send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + LENGTH + b"\r\n" + BODY)
    started = time.monotonic()
    with pytest.raises(FetchFailed):
        get(server)
    assert time.monotonic() - started < 5


def test_interim_answers_without_end_are_bounded(server: Server) -> None:
    server.answers["/a.jpg"] = send(PROCESSING * (MAX_INTERIM + 1) + b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\n" + BODY)
    with pytest.raises(FetchFailed):
        get(server)


def test_a_length_of_thousands_of_digits_is_too_large_and_no_fault_of_ours(server: Server) -> None:
    server.answers["/a.jpg"] = send(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n" + BODY)
    with pytest.raises(ImageTooLarge):
        get(server)
    server.answers["/a.jpg"] = send(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"0" * 5000 + b"%d\r\n\r\n" % len(BODY) + BODY)
    assert get(server).data == BODY


PACKED = gzip.compress(BODY)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", PACKED[:-8]),
        ("gzip", PACKED[:-3]),
        ("gzip", PACKED[:-8] + bytes(8)),
        ("gzip", gzip.compress(BODY[:500]) + gzip.compress(BODY[500:])),
        ("gzip", PACKED + b"\0\0 and more"),
        ("deflate", zlib.compress(BODY)[:-4]),
        ("deflate", zlib.compress(BODY) + b"\r\n"),
    ],
    ids=[
        "no checksum",
        "half a checksum",
        "a wrong checksum",
        "two members",
        "a tail",
        "zlib without checksum",
        "zlib and a tail",
    ],
)
def test_the_data_counts_and_not_what_stands_behind_it(server: Server, encoding: str, body: bytes) -> None:
    server.answers["/a.jpg"] = ok(body, f"Content-Encoding: {encoding}")
    assert get(server).data == BODY


def test_a_second_member_that_ends_early_is_not_passed_over(server: Server) -> None:
    server.answers["/a.jpg"] = ok(PACKED + PACKED[:-20], "Content-Encoding: gzip")
    with pytest.raises(EncodingInvalid, match="early"):
        get(server)


def test_many_members_stay_under_the_caps(server: Server) -> None:
    server.answers["/a.jpg"] = ok(gzip.compress(bytes(1_000_000)) * 30, "Content-Encoding: gzip")
    with pytest.raises(ImageTooLarge, match="100 to 1"):
        get(server)


def test_what_no_url_may_hold_is_encoded_in_the_path_as_browsers_do(server: Server) -> None:
    server.answers["/%7Bcat%7D%20%22%3C1%3E%22%60|^.jpg"] = ok(BODY)
    assert get(server, '/{cat} "<1>"`|^.jpg?q={a}').data == BODY
    assert server.requests[-1].split(" ")[1].endswith("?q={a}"), "a query goes out as it was written"
