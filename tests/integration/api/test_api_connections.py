"""Raw connections without a key: deadlines, the limit, two lengths, pages of other sites, and the log lines."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import requests

from integration.api import test_api_socket
from integration.api.test_api_socket import KEY, MIB, PNG, Server, multipart, parsed, request

MOST = 64
PATIENCE = """
from tagger.api import connections
connections.HEAD_SECONDS, connections.REST_SECONDS, connections.UNREAD_SECONDS, connections.CONNECTIONS = 0.6, 0.6, 0.6, 64
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    patched = pytest.MonkeyPatch()
    patched.setattr(test_api_socket, "SERVE", PATIENCE + test_api_socket.SERVE)
    made = Server(tmp_path_factory.mktemp("connections"), log_level="info")
    patched.undo()
    yield made
    made.close()


def lines(server: Server, event: str) -> list[dict[str, Any]]:
    whole = server.log.read_text().rpartition("\n")[0].splitlines()  # the last line may still be on its way
    return [found for line in whole if (found := json.loads(line)).get("event") == event]


def hung_up_after(server: Server, *parts: bytes, every: float = 0.2) -> float:
    """Seconds until the server ended the connection, while the parts are sent one by one and the last of them again and again."""
    began = time.monotonic()
    with socket.create_connection(server.address, 10) as conn:
        conn.settimeout(every)
        queue = list(parts)
        while True:
            assert time.monotonic() - began < 10, "it is still open"
            try:
                if queue:
                    conn.sendall(queue.pop(0) if len(queue) > 1 else queue[0])
                if not conn.recv(1 << 16):
                    return time.monotonic() - began
            except TimeoutError:
                continue
            except OSError:
                return time.monotonic() - began


HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
REFUSED = b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize(
    "parts", [(b"",), (HEAD, b"X"), (HEAD + b"\r\n" + HEAD, b"X"), (REFUSED, b"x")], ids=["silent", "drips", "second", "answered"]
)
def test_whoever_keeps_us_waiting_is_cut_off(server: Server, parts: tuple[bytes, ...]) -> None:
    assert hung_up_after(server, *parts) < 5


def test_an_answer_that_nobody_reads_is_not_kept(server: Server) -> None:
    with socket.socket() as conn:
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        conn.connect(server.address)
        conn.settimeout(0.1)
        deadline = time.monotonic() + 20
        while not hung_up(conn, b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
            assert time.monotonic() < deadline


def hung_up(conn: socket.socket, data: bytes) -> bool:
    try:
        conn.sendall(data)
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


def test_the_oldest_of_those_that_wait_makes_room_for_the_newest(server: Server) -> None:
    idle = [socket.create_connection(server.address, 10) for _ in range(MOST * 2)]
    try:
        assert server.answers()
        assert psutil.Process(server.process.pid).num_fds() < MOST * 2
    finally:
        for conn in idle:
            conn.close()


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/hooks/site", "/predict", "/healthz"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_body_of_two_lengths_is_refused_and_the_connection_closed(server: Server, path: str, version: str) -> None:
    """What follows it on the connection is no request of anybody."""
    smuggled = request("/v1/jobs/job_smuggled/cancel")
    length = ("Content-Length: 4",) if version == "1.1" else ()
    sent = request(path, *length, "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + smuggled)
    sent = sent.replace(b"Connection: close\r\n", b"", 1).replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1)
    status, headers, body = parsed(server.send(sent))
    assert (status, headers["connection"], json.loads(body)["code"]) == (400, "close", "ambiguous_length")
    assert not [line for line in lines(server, "request.refused") if line.get("job") == "job_smuggled"]


def test_a_route_that_takes_no_picture_takes_no_large_body(server: Server) -> None:
    answer = requests.post(server.url + "/v1/sites", data=b"x" * (MIB + 1), timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("path", ["/predict", "/api/tag-image", "/api/generate-caption", "/api/v1/visual_entailment"])
@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=lambda headers: "".join(headers),
)
def test_another_sites_page_cannot_use_the_routes_without_a_key(server: Server, path: str, headers: dict[str, str]) -> None:
    before = server.ledger.stats().jobs
    form = {"Content-Type": "multipart/form-data; boundary=----b"}
    body = multipart(image=PNG, text=b"a cat on a sofa")
    answer = requests.post(server.url + path, data=body, headers=form | headers, timeout=20)
    assert (answer.status_code, list(answer.json())) == (403, ["error"])
    assert server.ledger.stats().jobs == before


def test_each_request_is_one_line_with_what_it_was_about(server: Server) -> None:
    job = {"asset": {"id": "in-the-log", "image": {"url": "https://cms.example/a.jpg"}}}
    made = server.http.post(server.url + "/v1/jobs", json=job, timeout=20)
    server.http.get(server.url + made.headers["Location"], timeout=20)
    requests.get(server.url + "/v1/jobs/job_x?key=secret-word", timeout=20)
    deadline = time.monotonic() + 10  # a line is written when its answer has gone out
    while not any(line.get("job") == "job_x" for line in lines(server, "request.refused")):
        assert time.monotonic() < deadline
    by_id = {line["request_id"]: line for line in lines(server, "request.answered") + lines(server, "request.refused")}
    line = by_id[made.headers["x-request-id"]]
    assert (line["method"], line["route"], line["status"], line["site"], line["job"]) == (
        "POST", "/v1/jobs", 202, "site", made.json()["id"],
    )  # fmt: skip
    assert line["ms"] > 0
    assert line["body_bytes"] > 50
    [read] = [line for line in by_id.values() if line["route"] == "/v1/jobs/{job_id}" and line["status"] == 200]
    assert (read["job"], read["site"]) == (made.json()["id"], "site")
    assert [line["event"] for line in by_id.values() if line.get("job") == "job_x"] == ["request.refused"]
    told = server.log.read_text()
    assert "secret-word" not in told
    assert KEY not in told
    assert "/healthz" not in told, "probes are not worth a line"


def test_dead_letters_open_and_ever_are_two_metrics(server: Server) -> None:
    told = requests.get(server.url + "/metrics", timeout=20).text
    for name in ("tagger_dead_letters_open", "tagger_dead_letters_total"):
        for kind in ("job", "delivery"):
            assert f'{name}{{kind="{kind}"}} 0.0' in told


def test_the_metrics_say_whether_ledger_and_broker_answer(server: Server) -> None:
    told = set(requests.get(server.url + "/metrics", timeout=20).text.splitlines())
    assert {"tagger_ledger_up 1.0", "tagger_broker_up 0.0"} <= told, "this server has a ledger and no broker"


def test_a_body_that_waits_for_leave_is_refused_before_it_is_sent(server: Server) -> None:
    """curl asks so above 1 MiB: with 100 first it would send 10 GiB for an answer that is known already."""
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {10 << 30}\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(server.address, 10) as conn:
        conn.sendall(head.encode())
        answer = b""
        while more := conn.recv(1 << 16):
            answer += more
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert b"body_too_large" in answer
