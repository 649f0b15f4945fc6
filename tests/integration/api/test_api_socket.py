"""The API as a process, over a raw socket: whatever comes, there is no 500, one shape of error, bounded memory, an orderly end.

No worker runs here, and no broker: what is accepted waits in the ledger.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagger.keys import hash_key
from tagger.ledger import open_ledger
from tagger.settings import Settings, child_env, load
from tagger.site import Site
from tagger.system.home import free_port

KEY = "key-of-site"
ROOT = Path(__file__).parents[3]
MIB = 1 << 20
SHAPE = {"type", "title", "status", "code", "detail", "stage", "retryable", "remedy", "request_id", "errors"}
GRACE = 2
# As `tagger api`, with less patience, so that the tests of it are short.
SERVE = f"""
from tagger.telemetry import logs
from tagger.api import app, request_body
from tagger.api.routes import compat
from tagger.settings import load
settings = load()
logs.configure(settings, "api")
app.GRACE_SECONDS, request_body.PAUSE_SECONDS, compat.WAIT_SECONDS = {GRACE}, 0.5, 2.0
app.serve(settings)
"""


class Server:
    def __init__(self, home: Path, **changes: Any) -> None:
        port = free_port()
        own: dict[str, Any] = {"broker_url": f"redis+socket://{home}/none.sock", "compat_site": "site", "admin_key": "operator"}
        self.settings: Settings = load(
            {},
            home=home,
            api_port=port,
            max_body_bytes=MIB,
            trusted_proxies="127.0.0.1",
            compat_addresses="127.0.0.1,198.51.100.7",
            **{"describe_wait_seconds": 30.0, "log_level": "error", "check": "fake", **own, **changes},
        )
        self.ledger = open_ledger(self.settings.ledger)
        self.ledger.migrate()
        self.ledger.put_site(Site(id="site", name="A site"))
        self.ledger.add_key("site", "test", hash_key(KEY))
        self.address = ("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}"
        self.log = home / "api.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE], env=child_env(self.settings, role="api"), cwd=ROOT, stdout=out, stderr=out
            )
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {KEY}"
        deadline = time.monotonic() + 60
        while not self.answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the API does not answer"
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            return requests.get(self.url + "/healthz", timeout=20).json()["status"] == "ok"
        except requests.ConnectionError:
            return False

    def send(self, data: bytes, *, leave: bool = False, seconds: float = 20.0) -> bytes:
        """What comes back on a connection of its own until the server closes it. `leave`: we end our side behind `data`."""
        with socket.create_connection(self.address, seconds) as conn:
            try:
                conn.sendall(data)
                if leave:
                    conn.shutdown(socket.SHUT_WR)
                found = b""
                while part := conn.recv(1 << 16):
                    found += part
            except TimeoutError:
                raise
            except OSError:  # it hung up while we still talked
                return b""
            return found

    def memory(self) -> int:
        return psutil.Process(self.process.pid).memory_info().rss

    def close(self) -> None:
        self.http.close()
        self.process.kill()
        self.process.wait()
        self.ledger.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("socket"))
    yield made
    made.close()


def check(status: int, headers: Any, body: bytes, path: str) -> None:
    """No fault of ours, and every refusal in its documented shape."""
    assert status != 500, body
    if status < 400:
        return
    told = json.loads(body)
    if path.startswith(("/api/", "/predict")) and "error" in told:
        assert told.keys() == {"error"}  # the shape of the services that those routes replace
        assert told["error"]
        return
    assert headers["content-type"] == "application/problem+json"
    assert told.keys() - {"job"} == SHAPE
    assert told["status"] == status
    assert told["request_id"] == headers["x-request-id"]
    assert all(entry.keys() == {"pointer", "detail"} for entry in told["errors"])
    assert len(body) < 100_000, "an answer does not grow with the nonsense that was sent"


def parsed(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, body


JOB: dict[str, Any] = {
    "asset": {"id": "a", "revision": "1", "image": {"url": "https://cms.example/a.jpg"}},
    "profile": "news", "locales": ["en"], "fields": ["alt_text"], "context": {"role": "link", "title": "T"}, "lane": "backfill",
    "metadata": {"post": "1"},
}  # fmt: skip
BODIES: dict[str, dict[str, Any]] = {
    "/v1/jobs": JOB,
    "/v1/describe?wait=0.01": JOB,
    "/v1/entailment?wait=0.01": {"text": "a cat on a sofa", "image": {"url": "https://cms.example/a.jpg"}, "profile": "news"},
    "/v1/dead-letters/replay": {"ids": ["job_1"], "site": "site", "since": "2026-11-21T09:30:00Z", "reason": "x"},
    "/v1/sites": {"id": "fuzz", "name": "F", "locales": ["en"], "endpoint": {"url": "https://x.example/"}},
    "/v1/hooks/site": {"type": "asset.created", "data": {"asset": {"id": "a", "image": {"url": "https://x.example/a"}}}},
    "/api/generate-caption": {"image": "", "format": "base64"},
    "/api/v1/visual_entailment": {"text": "", "image_url": "https://x.example/a"},
}
ODD = st.sampled_from(["", "\x00", "\ud800", "\u202e", "a" * 6000, "-1", "NaN", "../..", "2" * 400, "1e999", "'; --", "%00"])
KEYS = st.text(max_size=8) | ODD
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | KEYS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, bytes]:
    """An honest body in which one thing, anywhere, is replaced, added or taken away; as the bytes that go out."""
    path = draw(st.sampled_from(sorted(BODIES)))
    tree = json.loads(json.dumps(BODIES[path]))
    at: Any = tree
    while True:
        key = draw(st.sampled_from(sorted(at))) if isinstance(at, dict) else draw(st.integers(0, len(at) - 1))
        inside = at[key]
        if isinstance(inside, (dict, list)) and inside and draw(st.booleans()):
            at = inside
            continue
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "replace":
            at[key] = draw(JSON)
        elif change == "remove":
            del at[key]
        elif isinstance(at, dict):
            at[draw(st.text(max_size=8))] = draw(JSON)
        else:
            at.append(draw(JSON))
        break
    raw = json.dumps(tree, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 4)) == 0:
        cut = draw(st.integers(0, len(raw)))
        raw = draw(
            st.sampled_from(
                [
                    raw[:cut],
                    raw[:cut] + b"\xff\x00" + raw[cut:],
                    b"\xef\xbb\xbf" + raw,
                    raw.decode("utf-8", "replace").encode("utf-16"),
                ]
            )
        )
    return path, raw


FUZZ = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@FUZZ
@given(
    spoiled(),
    st.sampled_from(
        ["application/json", "text/plain", "application/x-www-form-urlencoded", "", "application/json; charset=utf-16"]
    ),
)
def test_a_spoiled_body_is_never_our_fault(server: Server, sent: tuple[str, bytes], kind: str) -> None:
    path, body = sent
    key = "operator" if path == "/v1/sites" else KEY
    headers = {"Content-Type": kind, "Authorization": f"Bearer {key}"}
    answer = server.http.post(server.url + path, data=body, headers=headers, timeout=60)
    check(answer.status_code, answer.headers, answer.content, path)


PATHS = ["/v1/jobs", "/v1/jobs/{}", "/v1/jobs/{}/cancel", "/v1/deliveries", "/v1/deliveries/{}", "/v1/deliveries/{}/attempts"]
PATHS += ["/v1/dead-letters", "/v1/sites", "/v1/sites/{}", "/v1/assets/{}/image", "/v1/hooks/{}", "/{}"]
QUERIES = [
    "asset",
    "status",
    "site",
    "cursor",
    "limit",
    "since",
    "reason",
    "wait",
    "profile",
    "revision",
    "locale",
    "role",
    "title",
]


@FUZZ
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "MADEUP"]),
    st.sampled_from(PATHS),
    st.text(max_size=12) | ODD.filter(lambda text: "\ud800" not in text),
    st.dictionaries(st.sampled_from(QUERIES), st.text(max_size=12) | ODD.filter(lambda text: "\ud800" not in text), max_size=4),
)
def test_a_spoiled_address_is_never_our_fault(server: Server, method: str, path: str, word: str, query: dict[str, str]) -> None:
    url = server.url + path.format(requests.utils.quote(word, safe=""))
    answer = server.http.request(method, url, params=query, data=b"x" if method == "PUT" else None, timeout=60)
    if method == "HEAD":
        assert answer.status_code != 500
    else:
        check(answer.status_code, answer.headers, answer.content, path)


BOUNDARY = "----b"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


def multipart(**parts: bytes) -> bytes:
    made = b""
    for name, value in parts.items():
        file = '; filename="a.png"' if name == "image" else ""
        made += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"
    return made + f"--{BOUNDARY}--\r\n".encode()


FORMS = {
    "/v1/jobs": multipart(image=PNG, job=b'{"asset": {"id": "form"}}'),
    "/v1/entailment?wait=0.01": multipart(image=PNG, text=b"a cat on a sofa"),
    "/api/tag-image": multipart(type=b"news"),
    "/predict": multipart(text=b"a cat on a sofa"),
    "/api/v1/visual_entailment": multipart(image=PNG),
}


@settings(FUZZ, max_examples=60)
@given(st.sampled_from(sorted(FORMS)), st.data())
def test_a_form_that_is_cut_or_altered_is_never_our_fault(server: Server, path: str, data: st.DataObject) -> None:
    form = FORMS[path]
    at = data.draw(st.integers(0, len(form) - 1))
    alter = data.draw(st.sampled_from(["cut", "byte", "twice"]))
    body = {
        "cut": form[:at],
        "byte": form[:at] + data.draw(st.binary(min_size=1, max_size=3)) + form[at + 1 :],
        "twice": form[:at] + form,
    }[alter]
    boundary = data.draw(st.sampled_from([BOUNDARY, "", "other", "é", "x" * 300]))
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}".encode()}
    answer = server.http.post(server.url + path, data=body, headers=headers, timeout=60)
    check(answer.status_code, answer.headers, answer.content, path)


def request(path: str, *headers: str, body: bytes = b"", method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", f"Authorization: Bearer {KEY}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


DEEP = 100_000
LONG = f"Content-Length: {DEEP}"
CHUNKED = "Transfer-Encoding: chunked"
SOCKET = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA==")
REPLAY = (f"Content-Length: {DEEP + 8}", "Content-Type: application/json")
BARE = b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer \xff\xfe\r\n\r\n"
# what goes out as it is; the statuses that may come back (None: the connection is closed without an answer)
RAW: dict[str, tuple[bytes, set[int | None]]] = {
    "lists in lists": (request("/v1/jobs", LONG, body=b"[" * DEEP), {422}),
    "objects in objects": (request("/v1/jobs", f"Content-Length: {DEEP * 5}", body=b'{"a":' * DEEP), {413, 422}),
    "deep in a list of ids": (request("/v1/dead-letters/replay", *REPLAY, body=b'{"ids": ' + b"[" * DEEP), {400, 422}),
    "an old route, deep": (request("/api/generate-caption", LONG, body=b"[" * DEEP), {400}),
    "a number of 100,000 digits": (request("/api/generate-caption", LONG, body=b"1" * DEEP), {400}),
    "a header of a megabyte": (request("/v1/jobs", "X: " + "y" * MIB), {400, None}),
    "ten thousand headers": (request("/v1/jobs", *[f"X-{n}: y" for n in range(10_000)]), {400, None}),
    "a NUL in a header": (request("/v1/jobs", "X: a\x00b"), {400}),
    "a NUL in the address": (request("/v1/jobs/a%00b", method="GET"), {422}),
    "bad UTF-8 in the address": (request("/v1/jobs/%ff%fe", method="GET"), {422}),
    "a key that is no text": (BARE, {401}),
    "two lengths": (request("/v1/jobs", "Content-Length: 3", "Content-Length: 5", body=b"abcde"), {400}),
    "a length below zero": (request("/v1/jobs", "Content-Length: -1"), {400}),
    "a length beyond all numbers": (request("/v1/jobs", "Content-Length: " + "9" * 30), {400, 413, None}),
    "a length and chunks": (request("/v1/jobs", "Content-Length: 3", CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n"), {400}),
    "chunks that are none": (request("/v1/jobs", CHUNKED, body=b"zz\r\nabc\r\n"), {400, None}),
    "a body that ends early": (request("/v1/jobs", "Content-Length: 500", body=b'{"asset": '), {None, 400}),
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", {400, None}),
    "a web socket": (request("/v1/jobs", *SOCKET, method="GET"), {200, 400, 404, 426}),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_nonsense_is_refused(server: Server, name: str) -> None:
    data, statuses = RAW[name]
    before = server.ledger.stats().jobs
    answer = server.send(data, leave=None in statuses)
    if not answer:
        assert None in statuses
    else:
        status, headers, body = parsed(answer)
        assert status in statuses, answer[:500]
        if headers.get("content-type") == "application/problem+json":  # else the server beneath refused what is no HTTP
            check(status, headers, body, data.split(b" ")[1].decode("latin-1"))
    assert server.answers()
    assert server.ledger.stats().jobs == before, "nothing was accepted"


def test_a_body_that_drips_or_pauses_ends(server: Server) -> None:
    began = time.monotonic()
    answer = server.send(request("/v1/jobs", "Content-Length: 500", body=b'{"asset": '))
    status, headers, body = parsed(answer)
    assert (status, json.loads(body)["code"]) == (408, "body_too_slow")
    check(status, headers, body, "/v1/jobs")
    assert time.monotonic() - began < 10, "and the connection with it"


@pytest.mark.parametrize("path", ["/v1/entailment", "/predict"])
def test_a_job_that_is_cancelled_while_it_is_waited_for_is_a_typed_problem(server: Server, path: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        files = {"image": ("a.png", PNG)}
        asked = pool.submit(server.http.post, server.url + path, files=files, data={"text": "a cat on a sofa"}, timeout=60)
        while not asked.done():
            for job in server.ledger.jobs(status="accepted", limit=200).data:
                if job.request.check_text is not None:
                    server.ledger.cancel(job.id)
            time.sleep(0.01)
        answer = asked.result()
    check(answer.status_code, answer.headers, answer.content, path)
    assert answer.status_code == 409
    told = answer.json()
    assert "job_cancelled" in (told["error"] if path == "/predict" else told["code"])


@pytest.mark.parametrize(
    ("forwarded", "status"), [("198.51.100.7", 400), ("203.0.113.9", 403), ("198.51.100.7, 203.0.113.9", 403), (None, 400)]
)
def test_behind_a_named_proxy_the_caller_is_whom_it_names(server: Server, forwarded: str | None, status: int) -> None:
    """400: let in, and then told that there is no picture."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    answer = server.http.post(server.url + "/predict", headers=headers, timeout=60)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_the_memory_of_a_request_is_bounded(server: Server) -> None:
    """A body at the limit in which every value is one too many, several at once; and one that lies about its length."""
    values = b"{" + b",".join(b'"k%d":0' % n for n in range(150_000)) + b"}"
    assert len(values) + 100_000 > 1_400_000
    before = server.memory()
    seen: list[tuple[int, str]] = []

    def one(path: str) -> None:
        answer = requests.post(
            server.url + path,
            data=values[:1_300_000],
            headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
            timeout=60,
        )
        check(answer.status_code, answer.headers, answer.content, path)
        seen.append((answer.status_code, answer.json().get("code", "")))

    threads = [
        threading.Thread(target=one, args=(path,)) for path in ("/v1/jobs", "/v1/dead-letters/replay", "/v1/entailment") * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(seen) == {(413, "body_too_large")}
    assert len(seen) == 9
    endless = request("/v1/jobs", "Transfer-Encoding: chunked") + b"10000\r\n" + b"x" * 65536 + b"\r\n"
    answer = server.send(endless + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 100, leave=True)
    assert not answer or parsed(answer)[0] == 413
    assert server.memory() - before < 60 * MIB


def test_sigterm_amid_requests_ends_in_time_and_what_was_accepted_is_there(server: Server) -> None:
    """The last test of this file: it ends the server, with uploads, a wait and a dripping body under way."""
    taken: list[str] = []
    faults: list[int] = []
    asked = threading.Event()

    def upload(worker: int) -> None:
        with requests.Session() as http:
            http.headers["Authorization"] = f"Bearer {KEY}"
            for n in range(10_000):
                try:
                    answer = http.put(f"{server.url}/v1/assets/end-{worker}-{n}/image", data=PNG + b"%d" % n, timeout=30)
                except requests.RequestException:  # the server is gone
                    return
                if answer.status_code == 202:
                    taken.append(answer.json()["id"])
                    if len(taken) > 40:
                        asked.set()
                elif answer.status_code >= 500 and answer.status_code != 503:
                    faults.append(answer.status_code)

    threads = [threading.Thread(target=upload, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    with socket.create_connection(server.address) as waits, socket.create_connection(server.address) as drips:
        body = json.dumps(JOB).encode()
        waits.sendall(request("/v1/describe?wait=1", f"Content-Length: {len(body)}", body=body))
        drips.sendall(request("/v1/jobs", "Content-Length: 500", body=b"{"))
        assert asked.wait(60)
        os.kill(server.process.pid, signal.SIGTERM)
        began = time.monotonic()
        assert server.process.wait(GRACE + 20) == 0, server.log.read_text()[-2000:]
        assert time.monotonic() - began < GRACE + 10
        for thread in threads:
            thread.join(60)
        answer = waits.recv(1 << 16)
        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")), "who waited got an answer"
    assert faults == []
    assert len(taken) > 40
    for job_id in taken:
        job = server.ledger.job(job_id)
        assert (server.settings.blobs / job.request.source.location[:2] / job.request.source.location).is_file()
    assert "unexpected" not in server.log.read_text(), "nothing in this whole file was a fault of ours"
