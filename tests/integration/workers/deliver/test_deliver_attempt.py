"""One delivery attempt over real sockets: the result for each behaviour of an endpoint."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.cms.generic import callback
from tagger.delivery import AttemptReport, DeliveryClaim, Endpoint
from tagger.net import signing
from tagger.net.retry_after import retry_after_ms
from tagger.settings import Settings
from workers.deliver.attempt import attempt
from workers.deliver.probe import probe
from workers.deliver.transport import MAX_ANSWER_BYTES, HttpTransport

SECRET = signing.new_secret()
SECONDS = 5.0

Answer = Callable[[socket.socket, bytes], bool]  # writes an answer to a request; False closes the connection


class Receiver:
    """A server of raw sockets, so that it can misbehave in every way."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.requests, self.connections = answer, list[bytes](), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.context: ssl.SSLContext | None = None
        self.port: int = self.listener.getsockname()[1]
        self.closing = threading.Event()
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            peer, _ = self.listener.accept()
            if self.closing.is_set():
                peer.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(peer,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        peer.settimeout(10)
        try:
            if self.context is not None:
                peer = self.context.wrap_socket(peer, server_side=True)
            with peer:
                while request := read_request(peer):
                    self.requests.append(request)
                    if not self.answer(peer, request):
                        return
        except OSError:
            peer.close()  # the deliverer hung up: many of these tests make it

    def close(self) -> None:
        self.closing.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self.threads:
            thread.join(12)
        self.listener.close()


def read_request(peer: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (part := peer.recv(65536)):
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += peer.recv(65536)
    return head + b"\r\n\r\n" + body


def says(status: int, body: bytes = b"", **headers: str) -> Answer:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    content = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def answer(peer: socket.socket, _request: bytes) -> bool:
        peer.sendall(content)
        return True

    return answer


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Receiver]]:
    receivers: list[Receiver] = []

    def start(answer: Answer) -> Receiver:
        receivers.append(Receiver(answer))
        return receivers[-1]

    yield start
    for receiver in receivers:
        receiver.close()


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    transport = HttpTransport()
    yield transport
    transport.close()


def claim_for(port: int, **endpoint: Any) -> DeliveryClaim:
    values = {"url": f"http://127.0.0.1:{port}/hook?k=v", "secrets": (SECRET,), "allow_private": True, **endpoint}
    return DeliveryClaim(
        delivery_id="dlv_1",
        token="t",
        job_id="job_1",
        site_id="demo",
        asset_id="4711",
        sequence=1,
        failures=0,
        attempts=1,
        described_ms=0,
        fields={"alt_text": {"en": {"value": "A cat", "source": "model", "model": "m@1", "score": 0.9}}},
        provenance={},
        provenance_tags=(),
        metadata={},
        endpoint=Endpoint(id="end_1", site_id="demo", **values),
    )


def code(report: AttemptReport) -> str:
    return str((report.error or {}).get("code", ""))


WRITTEN = json.dumps({"fields": {"alt_text": {"en": {"outcome": "written", "value": "A cat"}}}}).encode()
GONE = json.dumps({"fields": {"alt_text": {"en": {"outcome": "gone"}}}}).encode()


@pytest.mark.parametrize(
    ("answer", "result", "outcome", "error"),
    [
        (says(200, WRITTEN), "delivered", "written", ""),
        (says(204), "delivered", None, ""),
        (says(200, b"<h1>Thanks</h1>"), "delivered", None, "answer_invalid"),
        (says(200, GONE), "gone", "gone", ""),
        (says(404), "gone", "gone", ""),
        (says(410), "disable", None, "endpoint_gone"),
        (says(413), "reject", None, "delivery_failed"),
        (says(401), "retry", None, "delivery_failed"),
        (says(422), "retry", None, "delivery_failed"),
        (says(500), "retry", None, "delivery_failed"),
        (says(302, Location="/elsewhere"), "retry", None, "delivery_failed"),
        (says(307, Location="http://127.0.0.1:1/"), "retry", None, "delivery_failed"),
    ],
)
def test_each_answer_has_its_result(
    serve: Any, transport: HttpTransport, answer: Answer, result: str, outcome: str | None, error: str
) -> None:
    receiver = serve(answer)
    report = attempt(claim_for(receiver.port), transport, SECONDS)
    assert (report.result, code(report)) == (result, error)
    assert [o.outcome for o in report.outcomes] == ([outcome] if outcome else [])
    assert len(receiver.requests) == 1  # above all: no redirect was followed


NOTICE = b"<br />\n<b>Warning</b>: Undefined key {main} in <b>/var/www/\xfcber.php</b> on line <b>12</b><br />\n"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says(200, gzip.compress(WRITTEN), Content_Encoding="gzip"), ""),
        (says(200, zlib.compress(WRITTEN), Content_Encoding="deflate"), ""),
        (says(200, WRITTEN, Content_Encoding="UTF-8"), ""),
        (says(200, b"\xef\xbb\xbf" + WRITTEN), ""),
        (says(200, b"\n\n" + WRITTEN + b"\n"), ""),
        (says(200, NOTICE + WRITTEN), "answer_invalid"),
        (says(200, WRITTEN + NOTICE), "answer_invalid"),
        (says(200, gzip.compress(b"\xef\xbb\xbf" + NOTICE + WRITTEN), Content_Encoding="gzip"), "answer_invalid"),
    ],
)
def test_what_a_receiver_wrote_is_known_though_its_answer_is_wrapped(
    serve: Any, transport: HttpTransport, answer: Answer, error: str
) -> None:
    """Without the hash of what stands there, tagger could never update its own words again."""
    report = attempt(claim_for(serve(answer).port), transport, SECONDS)
    assert (report.result, code(report)) == ("delivered", error)
    assert [(o.outcome, o.value_sha256) for o in report.outcomes] == [("written", callback.text_hash("A cat"))]


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (says(200, WRITTEN, Content_Encoding="br"), "Content-Encoding: br"),
        (says(200, gzip.compress(WRITTEN)[:-9], Content_Encoding="gzip"), "ends early"),
        (says(200, gzip.compress(bytes(10 << 20)), Content_Encoding="gzip"), "too long"),
        (says(200, NOTICE + b'{"fields": []}'), "not an object"),
        (says(200, NOTICE + b'{"data": {"fields": {}}}'), "not JSON"),
        (says(200, b"{" * 60_000), "not JSON"),
    ],
)
def test_an_answer_that_cannot_be_read_is_delivered_and_says_why(
    serve: Any, transport: HttpTransport, answer: Answer, detail: str
) -> None:
    report = attempt(claim_for(serve(answer).port), transport, SECONDS)
    assert (report.result, code(report), report.outcomes) == ("delivered", "answer_invalid", ())
    assert report.error is not None
    assert detail in report.error["detail"]


def test_a_compressed_answer_does_not_cost_the_connection(serve: Any, transport: HttpTransport) -> None:
    receiver = serve(says(200, gzip.compress(bytes(10 << 20)), Content_Encoding="gzip"))
    for _ in range(2):
        attempt(claim_for(receiver.port), transport, SECONDS)
    assert receiver.connections == 1


@pytest.mark.parametrize("target", ["/hook?sig=%7E%2f+&a=/../b&c", "/a%7Eb?", "/x|y'z?q={1}"])
def test_the_url_of_an_endpoint_goes_out_as_it_was_registered(serve: Any, transport: HttpTransport, target: str) -> None:
    receiver = serve(says(204))
    attempt(claim_for(receiver.port, url=f"http://127.0.0.1:{receiver.port}{target}"), transport, SECONDS)
    assert receiver.requests[0].split(b" ")[1] == target.encode()


@pytest.mark.parametrize(
    ("kind", "answer", "result"),
    [
        ("asset.failed", says(204), "delivered"),
        ("asset.failed", says(501), "delivered"),
        ("asset.failed", says(200, b"OK"), "delivered"),
        ("asset.failed", says(500), "retry"),
        ("asset.described", says(501), "retry"),
        ("asset.described", says(200, b'{"fields": {}}'), "delivered"),
        ("asset.described", says(204), "delivered"),
    ],
)
def test_a_message_that_writes_nothing_expects_no_outcomes(
    serve: Any, transport: HttpTransport, kind: Any, answer: Answer, result: str
) -> None:
    receiver = serve(answer)
    report = attempt(replace(claim_for(receiver.port), fields={}, type=kind, notice={}), transport, SECONDS)
    assert (report.result, report.outcomes) == (result, ())
    assert (report.error is None) == (result == "delivered")


def test_the_message_is_signed_afresh_under_the_same_id(serve: Any, transport: HttpTransport) -> None:
    receiver = serve(says(500))
    for now in (1_795_000_000, 1_795_000_060):
        attempt(claim_for(receiver.port), transport, SECONDS, wall=lambda now=now: now)
    assert receiver.requests[0].startswith(b"POST /hook?k=v HTTP/1.1\r\n")
    for now, request in zip((1_795_000_000, 1_795_000_060), receiver.requests, strict=True):
        head, _, body = request.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        assert signing.verify([SECRET], headers, body, now, tolerance_s=0) == "dlv_1"


@pytest.mark.parametrize(("header", "wait"), [("120", 120_000), ("Sat, 21 Nov 2026 09:31:01 GMT", 60_000), ("soon", None)])
def test_retry_after_is_read_on_429_and_503_only(serve: Any, transport: HttpTransport, header: str, wait: int | None) -> None:
    now = 1_795_253_401.0  # 09:30:01 that day
    for status in (429, 503, 500):
        report = attempt(claim_for(serve(says(status, Retry_After=header)).port), transport, SECONDS, wall=lambda: now)
        assert report.result == "retry"
        assert report.retry_after_ms == (None if status == 500 else wait)


@given(
    text=st.text(max_size=40)
    | st.integers(0, 10**12).map(str)
    | st.datetimes().map(lambda d: d.strftime("%a, %d %b %Y %H:%M:%S GMT"))
)
def test_no_retry_after_breaks_the_reading(text: str) -> None:
    wait = retry_after_ms(text, 1_795_253_401.0)
    assert wait is None or 0 <= wait <= 24 * 3600 * 1000


def test_nobody_listening_is_parked(transport: HttpTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    report = attempt(claim_for(port), transport, SECONDS)
    assert (report.result, code(report), report.status) == ("park", "endpoint_unreachable", None)


def test_a_name_that_does_not_resolve_is_parked() -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    transport = HttpTransport(resolve=resolve)
    report = attempt(claim_for(1, url="http://cms.invalid/cb?secret=1"), transport, SECONDS)
    assert (report.result, code(report)) == ("park", "endpoint_unreachable")
    assert "secret" not in json.dumps(report.error)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe"])
def test_a_private_address_is_refused_before_connecting(serve: Any, address: str) -> None:
    receiver = serve(says(200))
    transport = HttpTransport(resolve=lambda _host, _port: ["93.184.215.14", address])
    claim = claim_for(receiver.port, url=f"http://cms.example:{receiver.port}/", allow_private=False)
    report = attempt(claim, transport, SECONDS)
    assert (report.result, code(report)) == ("park", "endpoint_misconfigured")
    assert receiver.connections == 0


@pytest.mark.parametrize("address", ["169.254.169.254", "64:ff9b::a9fe:a9fe", "224.0.0.1"])
def test_leave_to_be_private_is_no_leave_for_the_metadata_address(address: str) -> None:
    transport = HttpTransport(resolve=lambda _host, _port: [address])
    report = attempt(claim_for(80, url="http://cms.example/"), transport, SECONDS)
    assert (report.result, code(report)) == ("park", "endpoint_misconfigured")


@pytest.mark.parametrize(
    "change", [{"secrets": ()}, {"secrets": ("whsec_x",)}, {"url": "ftp://cms.example/"}, {"url": "http://u:p@h/"}]
)
def test_a_registration_that_cannot_be_used_spends_no_attempt(transport: HttpTransport, change: dict[str, Any]) -> None:
    report = attempt(claim_for(1, **change), transport, SECONDS)
    assert (report.result, code(report)) == ("park", "endpoint_misconfigured")


def drip(before: bytes, piece: bytes) -> Answer:
    """Sends `before`, then `piece` every 50 ms, for as long as anybody listens."""

    def answer(peer: socket.socket, _request: bytes) -> bool:
        peer.sendall(before)
        pause = threading.Event()
        for _ in range(200):
            peer.sendall(piece)
            pause.wait(0.05)
        return False

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b"x"),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        drip(b"", b"H"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "chunks", "headers", "one header", "status", "continues"],
)
def test_a_drip_ends_with_the_deadline_wherever_it_drips(serve: Any, transport: HttpTransport, answer: Answer) -> None:
    started = time.monotonic()
    report = attempt(claim_for(serve(answer).port), transport, 0.6)
    assert time.monotonic() - started < 2
    assert (report.result, code(report)) == ("retry", "answer_incomplete")


def test_an_endless_answer_is_cut_and_counts_as_delivered(serve: Any, transport: HttpTransport) -> None:
    receiver = serve(says(200, b"x" * (MAX_ANSWER_BYTES + 2)))  # one byte more than is read, to see that there is more
    report = attempt(claim_for(receiver.port), transport, SECONDS)
    assert (report.result, code(report), report.outcomes) == ("delivered", "answer_invalid", ())
    attempt(claim_for(receiver.port), transport, SECONDS)
    assert receiver.connections == 2  # the first one held unread bytes, and was not used again


def whole(head: bytes, pause_s: float = 0) -> Answer:
    """Answers with `head` and what was written, for a connection that stays open."""

    def answer(peer: socket.socket, _request: bytes) -> bool:
        interim, _, final = head.rpartition(b"HTTP/1.1 200")
        peer.sendall(interim)
        threading.Event().wait(pause_s if interim else 0)  # the receiver's own slowness
        peer.sendall(b"HTTP/1.1 200" + final + b"Content-Length: %d\r\n\r\n" % len(WRITTEN) + WRITTEN)
        return True

    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nX Powered By: me\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"Set-Cookie: c%d=1\r\n" % n for n in range(150)),
    ],
    ids=["early hints", "processing", "a name with blanks", "no header", "many headers"],
)
def test_an_odd_head_does_not_hide_the_answer(serve: Any, transport: HttpTransport, head: bytes) -> None:
    receiver = serve(whole(head))
    for _ in range(2):
        report = attempt(claim_for(receiver.port), transport, SECONDS)
        assert (report.result, report.status, [o.outcome for o in report.outcomes]) == ("delivered", 200, ["written"])
    assert (len(receiver.requests), receiver.connections) == (2, 1)


def test_an_answer_that_comes_after_an_interim_one_is_not_taken_for_the_next_message(
    serve: Any, transport: HttpTransport
) -> None:
    """The first message was written late; the second was refused. Nobody may hear that the second was written."""
    late = whole(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n", pause_s=0.2)
    answers = iter([late, says(500)])
    receiver = serve(lambda peer, request: next(answers)(peer, request))
    reports = [attempt(claim_for(receiver.port), transport, SECONDS) for _ in range(2)]
    assert [(report.result, report.status) for report in reports] == [("delivered", 200), ("retry", 500)]


def breaks(before: bytes) -> Answer:
    def answer(peer: socket.socket, _request: bytes) -> bool:
        peer.sendall(before)
        return False

    return answer


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"SSH-2.0-x\r\n"])
def test_an_answer_that_breaks_off_spends_an_attempt(serve: Any, transport: HttpTransport, before: bytes) -> None:
    report = attempt(claim_for(serve(breaks(before)).port), transport, SECONDS)
    assert (report.result, code(report)) == ("retry", "answer_incomplete")


def test_a_connection_is_kept_and_a_stale_one_costs_nothing(serve: Any, transport: HttpTransport) -> None:
    receiver = serve(says(204))
    for _ in range(3):
        assert attempt(claim_for(receiver.port), transport, SECONDS).result == "delivered"
    assert receiver.connections == 1

    def once(peer: socket.socket, request: bytes) -> bool:
        """Answers the first request of a connection, and hangs up on its second."""
        if len(receiver.requests) % 2 == 0:
            return False
        return says(204)(peer, request)

    receiver = serve(once)
    assert [attempt(claim_for(receiver.port), transport, SECONDS).result for _ in range(2)] == ["delivered", "delivered"]
    assert receiver.connections == 2


@pytest.mark.parametrize(
    ("before", "result"),
    [(b"", "retry"), (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "retry"), (None, "park")],
    ids=["no answer", "half an answer", "hung up while idle"],
)
def test_an_endpoint_that_goes_away_under_a_kept_connection(transport: HttpTransport, before: bytes | None, result: str) -> None:
    """It may have acted on a message that it read whole, although nobody is there any more when tagger asks again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        reports: list[AttemptReport] = []
        first = threading.Thread(target=lambda: reports.append(attempt(claim_for(port), transport, SECONDS)))
        first.start()
        peer, _ = listener.accept()
    with peer:
        read_request(peer)
        says(204)(peer, b"")
        first.join(10)
        if before is not None:
            second = threading.Thread(target=lambda: reports.append(attempt(claim_for(port), transport, SECONDS)))
            second.start()
            read_request(peer)
            peer.sendall(before)
    if before is None:
        reports.append(attempt(claim_for(port), transport, SECONDS))
    else:
        second.join(10)
    assert [report.result for report in reports] == ["delivered", result]
    assert code(reports[1]) == ("endpoint_unreachable" if result == "park" else "answer_incomplete")


def test_no_proxy_of_the_environment_is_used(serve: Any, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, receiver = serve(says(204)), serve(says(204))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    assert attempt(claim_for(receiver.port), transport, SECONDS).result == "delivered"
    assert (proxy.connections, receiver.connections) == (0, 1)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=cms.example", "-addext", "subjectAltName=DNS:cms.example"]
    subprocess.run([*command, "-keyout", key, "-out", cert, *names], check=True, capture_output=True, timeout=30)
    return cert, key


@pytest.mark.parametrize(("host", "trusted", "result"), [
    ("cms.example", True, "delivered"), ("other.example", True, "park"), ("cms.example", False, "park"),
])  # fmt: skip
def test_tls_is_verified_by_the_name_although_the_address_is_pinned(
    serve: Any, certificate: tuple[Path, Path], host: str, trusted: bool, result: str
) -> None:
    receiver = serve(says(204))
    receiver.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    receiver.context.load_cert_chain(*certificate)
    transport = HttpTransport(ca_file=str(certificate[0]) if trusted else None, resolve=lambda _host, _port: ["127.0.0.1"])
    claim = claim_for(receiver.port, url=f"https://{host}:{receiver.port}/")
    assert [attempt(claim, transport, SECONDS).result for _ in range(2)] == [result, result]
    assert receiver.connections == (1 if result == "delivered" else 2)
    transport.close()


def test_an_endpoint_that_drips_over_tls_ends_with_the_deadline(serve: Any, certificate: tuple[Path, Path]) -> None:
    receiver = serve(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b"x"))
    receiver.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    receiver.context.load_cert_chain(*certificate)
    transport = HttpTransport(ca_file=str(certificate[0]), resolve=lambda _host, _port: ["127.0.0.1"])
    started = time.monotonic()
    report = attempt(claim_for(receiver.port, url=f"https://cms.example:{receiver.port}/"), transport, 0.8)
    assert (report.result, code(report)) == ("retry", "answer_incomplete")
    assert time.monotonic() - started < 2.5
    transport.close()


def test_a_server_that_never_ends_its_handshake_is_parked(serve: Any) -> None:
    def silent(peer: socket.socket, _request: bytes) -> bool:
        return True

    receiver = serve(silent)
    claim = claim_for(receiver.port, url=f"https://127.0.0.1:{receiver.port}/")
    started = time.monotonic()
    transport = HttpTransport()
    assert attempt(replace(claim, failures=1), transport, 0.5).result == "park"
    assert time.monotonic() - started < 2
    transport.close()


@pytest.mark.parametrize(
    ("answer", "ok", "told"),
    [
        (says(204), True, None),
        (says(200, b'{"fields": {}}'), True, None),
        (says(404), False, "404"),
        (says(200, b"<!doctype html><title>Welcome</title>"), False, "page"),
    ],
    ids=["204", "json", "404", "a page"],
)
def test_a_test_message_says_whether_a_receiver_is_there(serve: Any, answer: Answer, ok: bool, told: str | None) -> None:
    found = probe(claim_for(serve(answer).port).endpoint, Settings(), time.time())
    assert (found["ok"], found["remedy"]) == (ok, told and "Check its path.")
    assert (told or "") in (found["detail"] or "")


def test_a_refusal_as_stale_reports_the_number_of_the_receiver(serve: Any, transport: HttpTransport) -> None:
    stale = {"outcome": "rejected", "reason": "stale_sequence", "sequence": 41}
    answer = says(200, json.dumps({"fields": {"alt_text": {"en": stale}}}).encode())
    report = attempt(claim_for(serve(answer).port), transport, SECONDS)
    assert (report.result, report.receiver_sequence, code(report)) == ("delivered", 41, "sequence_stale")
    assert attempt(claim_for(serve(says(200, WRITTEN)).port), transport, SECONDS).receiver_sequence is None


def test_a_refusal_of_a_message_without_fields_reports_the_number_too(serve: Any, transport: HttpTransport) -> None:
    stale = {"fields": {}, "outcome": "rejected", "reason": "stale_sequence", "sequence": 41}
    told = replace(claim_for(serve(says(200, json.dumps(stale).encode())).port), fields={}, type="asset.failed")
    report = attempt(told, transport, SECONDS)
    assert (report.result, report.receiver_sequence, code(report)) == ("delivered", 41, "sequence_stale")
