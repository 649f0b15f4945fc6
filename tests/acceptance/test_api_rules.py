"""The rules for jobs: idempotency, duplicates, keys and sites, limits, malformed requests, deliveries, dead letters."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from acceptance.house import House, until
from acceptance.pictures import png
from tagger.asset import ImageSource
from tagger.cms.job_body import JobIn
from tagger.ids import new_id
from tagger.net import signing


def is_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """RFC 9457 in the contract's shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = dict(answer.json())
    assert body.keys() == {"type", "title", "status", "code", "detail", "stage", "retryable", "remedy", "request_id", "errors"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == "https://tagger.dev/errors/" + code.replace("_", "-")
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["remedy"]
    return body


def wanted(asset: str, url: str) -> dict[str, Any]:
    return {"asset": {"id": asset, "image": {"url": url}}}


# --- the same again ---


def test_the_same_key_and_body_get_the_same_answer(house: House) -> None:
    url = house.pictures.put("idem.png", png())
    headers = {"Idempotency-Key": "key-1"}
    first = house.call("POST", "/v1/jobs", json=wanted("idem", url), headers=headers)
    again = house.call("POST", "/v1/jobs", json=wanted("idem", url), headers=headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert (again.headers["Location"], again.headers["Retry-After"]) == (first.headers["Location"], first.headers["Retry-After"])
    assert again.headers["Idempotent-Replayed"] == "true"
    other = house.call("POST", "/v1/jobs", json=wanted("idem-other", url), headers=headers)
    is_problem(other, 422, "idempotency_key_reused")
    neighbour = house.call("POST", "/v1/jobs", key="other", json=wanted("idem-other", url), headers=headers)
    assert neighbour.status_code == 202, "keys of another site are other keys"


def test_the_same_key_in_flight_is_a_conflict(house: House) -> None:
    body = JobIn.model_validate(wanted("flying", "http://127.0.0.1:1/a.png"))
    source = ImageSource(kind="url", location="http://127.0.0.1:1/a.png")
    request = body.request(house.ledger.get_site("site"), "flying", None, source, "general")
    digest = hashlib.sha256(json.dumps(request.to_dict(), sort_keys=True).encode()).hexdigest()
    house.ledger.begin_idempotent("site", "key-flying", digest)
    send = {"json": wanted("flying", "http://127.0.0.1:1/a.png"), "headers": {"Idempotency-Key": "key-flying"}}
    assert is_problem(house.call("POST", "/v1/jobs", **send), 409, "idempotency_in_flight")["retryable"] is True


def test_a_refused_request_does_not_use_up_its_key(house: House) -> None:
    headers = {"Idempotency-Key": "key-refused"}
    bad = house.call("POST", "/v1/jobs", json={**wanted("r", "http://x.example/"), "profile": "none"}, headers=headers)
    assert bad.status_code == 422
    url = house.pictures.put("refused.png", png())
    assert house.call("POST", "/v1/jobs", json=wanted("refused", url), headers=headers).status_code == 202


def test_the_same_hook_five_times_at_once_is_one_job(house: House) -> None:
    url = house.pictures.put("hooked.png", png((1, 99, 7)))
    body = json.dumps({"type": "asset.created", "data": wanted("hooked", url)}).encode()
    headers = signing.sign(house.ledger.get_site("site").hook_secrets, "evt_1", int(time.time()), body)
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: house.call("POST", "/v1/hooks/site", key=None, data=body, headers=headers), range(5)))
    assert [a.status_code for a in answers] == [202] * 5
    ids = {a.json()["id"] for a in answers}
    assert len(ids) == 1
    assert house.ended(ids.pop())["status"] == "done"
    assert len(house.call("GET", "/v1/jobs?asset=hooked").json()["data"]) == 1


def test_hooks_are_refused_alike_for_a_wrong_signature_and_an_unknown_site(house: House) -> None:
    headers = signing.sign([signing.new_secret()], "evt_2", int(time.time()), b"{}")
    known = is_problem(house.call("POST", "/v1/hooks/site", key=None, data=b"{}", headers=headers), 401, "signature_invalid")
    unknown = is_problem(house.call("POST", "/v1/hooks/nobody", key=None, data=b"{}", headers=headers), 401, "signature_invalid")
    assert {**known, "request_id": ""} == {**unknown, "request_id": ""}


# --- keys and sites ---


def test_no_key_and_a_wrong_key_are_unauthorized(house: House) -> None:
    for key in (None, "wrong", "ключ".encode().decode("latin-1")):
        answer = house.call("GET", "/v1/jobs", key=key)
        is_problem(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_another_sites_things_do_not_exist(house: House) -> None:
    job_id = house.posted("mine", house.pictures.put("mine.png", png((77, 1, 1))))
    delivery = house.ended(job_id)["delivery"]
    for method, path in (("GET", f"/v1/jobs/{job_id}"), ("POST", f"/v1/jobs/{job_id}/cancel"), ("GET", "/v1/sites/site")):
        is_problem(house.call(method, path, key="other"), 404, "not_found")
    if delivery is not None:
        is_problem(house.call("GET", f"/v1/deliveries/{delivery['id']}", key="other"), 404, "not_found")
        is_problem(house.call("GET", f"/v1/deliveries/{delivery['id']}/attempts", key="other"), 404, "not_found")
    is_problem(house.call("GET", "/v1/jobs?site=site", key="other"), 404, "not_found")
    assert job_id not in [job["id"] for job in house.call("GET", "/v1/jobs?limit=200", key="other").json()["data"]]
    assert [site["id"] for site in house.call("GET", "/v1/sites", key="other").json()["data"]] == ["other"]


def test_the_operator_adds_sites_and_speaks_for_them(house: House) -> None:
    body = {"id": "added", "name": "Added", "endpoint": {"url": "https://cms.example/cb"}, "locales": ["en", "zh-Hans"]}
    is_problem(house.call("POST", "/v1/sites", json=body), 403, "forbidden")
    answer = house.call("POST", "/v1/sites", key="operator", json=body)
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/v1/sites/added"
    assert answer.json()["hook_secret"].startswith("whsec_")
    is_problem(house.call("POST", "/v1/sites", key="operator", json=body), 409, "conflict")
    shown = house.call("GET", "/v1/sites/added", key="operator").text
    assert "whsec_" not in shown
    url = house.pictures.put("operator.png", png())
    is_problem(house.call("POST", "/v1/jobs", key="operator", json=wanted("o", url)), 403, "forbidden")
    assert house.call("POST", "/v1/jobs?site=other", key="operator", json=wanted("o", url)).status_code == 202
    is_problem(house.call("POST", "/v1/jobs?site=nobody", key="operator", json=wanted("o", url)), 404, "not_found")
    listed = house.call("GET", "/v1/jobs?site=other&limit=200", key="operator").json()["data"]
    assert {job["site"] for job in listed} == {"other"}


# --- limits and malformed requests ---

LIMIT = (1 << 20) * 4 // 3 + 64 * 1024


@pytest.mark.parametrize(
    "path", ["PUT /v1/assets/big/image", "POST /v1/jobs", "POST /v1/describe", "POST /v1/dead-letters/replay"]
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_and_the_client_can_read_why(house: House, path: str, chunked: bool) -> None:
    method, _, where = path.partition(" ")

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    data = pieces() if chunked else b" " * (LIMIT + 1)
    is_problem(house.call(method, where, data=data, headers={"Content-Type": "application/json"}), 413, "body_too_large")


def test_an_image_over_the_limit_is_refused_though_its_envelope_fits(house: House) -> None:
    is_problem(house.call("PUT", "/v1/assets/big/image", data=b"x" * ((1 << 20) + 1)), 413, "body_too_large")


MALFORMED: list[tuple[bytes, str]] = [
    (b"", ""),
    (b"{", ""),
    (b"[]", ""),
    (b"\xff\xfe", ""),
    (b"[" * 100_000, ""),
    (b'{"asset": {"id": "a", "image": {"url": "http://x.example/"}}, "surprise": 1}', "/surprise"),
    (b'{"asset": {"id": "a", "image": {"url": "http://x.example/", "path": "/etc"}}}', "/asset/image/path"),
    (b'{"asset": {"id": "a", "image": {}}}', "/asset/image"),
    (b'{"asset": {"id": "a", "image": {"url": "x", "base64": "eA=="}}}', "/asset/image"),
    (b'{"asset": {"id": "a", "image": {"base64": "not base64!"}}}', "/asset/image/base64"),
    (b'{"asset": {"id": "a", "image": {"url": "file:///etc/passwd"}}}', "/asset/image/url"),
    (b'{"asset": {"id": "a", "image": {"url": "http://h.example:port/a.jpg"}}}', "/asset/image/url"),
    (b'{"asset": {"id": "", "image": {"url": "http://x.example/"}}}', "/asset/id"),
    (b'{"asset": {"id": "a\\u0000b", "image": {"url": "http://x.example/"}}}', "/asset/id"),
    (b'{"asset": {"id": "\\ud800", "image": {"url": "http://x.example/"}}}', ""),
    (b'{"asset": {"id": "a", "image": {"url": "http://x.example/"}}, "locales": ["no such"]}', "/locales/0"),
    (b'{"asset": {"id": "a", "image": {"url": "http://x.example/"}}, "fields": []}', "/fields"),
    (b'{"asset": {"id": "a", "image": {"url": "http://x.example/"}}, "context": {"role": "hero"}}', "/context/role"),
    (b'{"asset": {"id": "a", "image": {"url": "http://x.example/"}}, "lane": "solo"}', "/lane"),
    (b'{"asset": {"id": "a", "image": {"url": "http://x.example/"}}, "metadata": {"a/b~c": 1}}', "/metadata/a~1b~0c"),
    (b'{"asset": {"id": "a", "image": {"url": "http://x.example/"}}, "callback_url": "http://evil.example/"}', "/callback_url"),
]


@pytest.mark.parametrize(("body", "pointer"), MALFORMED)
def test_a_malformed_job_is_refused_with_a_pointer_to_the_fault(house: House, body: bytes, pointer: str) -> None:
    problem = is_problem(
        house.call("POST", "/v1/jobs", data=body, headers={"Content-Type": "application/json"}), 422, "bad_request"
    )
    assert problem["errors"][0]["pointer"] == pointer


ONE = '{"asset": {"id": "a"}}'
PARTS = [("{", b"x"), ("[" * 50_000, b"x"), ("[]", b"x"), ('{"asset": 5}', b"x"), (ONE[:-1] + ', "x": 1}', b"x"), (ONE, b"")]


@pytest.mark.parametrize(("job", "image"), PARTS)
def test_a_malformed_multipart_job_is_refused(house: House, job: str, image: bytes) -> None:
    is_problem(house.call("POST", "/v1/jobs", files={"image": ("a.png", image), "job": (None, job)}), 422, "bad_request")


def test_a_multipart_body_without_its_parts_or_boundary_is_refused(house: House) -> None:
    is_problem(house.call("POST", "/v1/jobs", files={"image": ("a.png", png())}), 422, "bad_request")
    answer = house.call("POST", "/v1/jobs", data=b"x", headers={"Content-Type": "multipart/form-data"})
    is_problem(answer, answer.status_code, "bad_request")
    assert answer.status_code in (400, 422)


def test_raw_uploads_check_their_query(house: House) -> None:
    for query in ("role=hero", "locale=no+such", "revision=" + "x" * 257, "title=a%00b", "revision=%00"):
        is_problem(house.call("PUT", f"/v1/assets/a/image?{query}", data=png()), 422, "bad_request")
    is_problem(house.call("PUT", "/v1/assets/a%00b/image", data=png()), 422, "bad_request")
    is_problem(house.call("PUT", "/v1/assets/a/image", data=b""), 422, "bad_request")


def test_paths_and_methods_that_are_not_there(house: House) -> None:
    is_problem(house.call("GET", "/v1/nothing"), 404, "not_found")
    answer = house.call("DELETE", "/v1/jobs")
    is_problem(answer, 405, "bad_request")
    assert answer.headers["Allow"]


def test_a_garbled_request_line_leaves_the_server_up(house: House) -> None:
    with socket.create_connection((house.settings.api_host, house.settings.api_port), 10) as conn:
        conn.sendall(b"GARBAGE\x00\r\n\r\n")
        conn.recv(1000)
    assert house.call("GET", "/healthz", key=None).json()["status"] == "ok"


# --- deliveries and dead letters ---


def test_a_delivery_and_its_attempts_can_be_read(house: House) -> None:
    job = house.ended(house.posted("delivered", house.pictures.put("delivered.png", png((250, 10, 10)))))
    assert job["delivery"] is not None, "the fake model is sure of a red picture"
    delivery = house.call("GET", f"/v1/deliveries/{job['delivery']['id']}").json()
    assert (delivery["status"], delivery["job"], delivery["asset"]) == ("delivered", job["id"], {"id": "delivered"})
    attempts = house.call("GET", f"/v1/deliveries/{job['delivery']['id']}/attempts").json()
    assert attempts["next_cursor"] is None
    assert [(a["number"], a["result"], a["status"]) for a in attempts["data"]] == [(1, "delivered", 200)]
    assert delivery["id"] in [d["id"] for d in house.call("GET", "/v1/deliveries?status=delivered&limit=200").json()["data"]]


def test_a_dead_letter_is_replayed_when_its_cause_is_mended(house: House) -> None:
    url = house.pictures.put("mended.png", b"this is no picture")
    job_id = house.posted("mended", url)
    dead = house.ended(job_id)
    assert (dead["status"], dead["error"]["code"]) == ("dead", "image_unreadable")
    letters = house.call("GET", "/v1/dead-letters?reason=image_unreadable&limit=200").json()["data"]
    assert next(letter for letter in letters if letter["job"] == job_id)["error"] == dead["error"]
    house.pictures.put("mended.png", png((3, 200, 200)))
    assert house.call("POST", "/v1/dead-letters/replay", json={"ids": [job_id]}, key="other").json()["replayed"] == 0
    is_problem(house.call("POST", "/v1/dead-letters/replay", key="operator", json={}), 422, "bad_request")  # all of all sites
    assert house.call("POST", "/v1/dead-letters/replay", json={"ids": [job_id]}).json() == {"replayed": 1}
    until(lambda: house.job(job_id)["status"] == "done", "the replayed job is done")
    letters = house.call("GET", "/v1/dead-letters?limit=200").json()["data"]
    assert job_id not in [letter["job"] for letter in letters]
    problem = is_problem(house.call("POST", "/v1/dead-letters/replay", json={"since": "yesterday"}), 422, "bad_request")
    assert problem["errors"][0]["pointer"] == "/since"
    is_problem(house.call("POST", "/v1/dead-letters/replay", json={"site": "other"}), 422, "bad_request")


def test_parked_deliveries_are_replayed_by_whom_they_belong_to(house: House) -> None:
    house.ledger.enable_endpoint("end_1", False)
    job_id = house.posted("parked", house.pictures.put("parked.png", png((250, 20, 20))))
    until(lambda: (house.job(job_id)["delivery"] or {}).get("status") == "parked", "it is parked")
    delivery_id = house.job(job_id)["delivery"]["id"]
    replay = "/v1/deliveries/replay"
    is_problem(house.call("POST", replay, key="operator", json={}), 422, "bad_request")
    is_problem(house.call("POST", replay, json={"site": "other"}), 422, "bad_request")
    assert house.call("POST", replay, json={"ids": [delivery_id]}, key="other").json()["replayed"] == 0
    assert house.call("POST", replay, json={"ids": [delivery_id]}).json()["replayed"] >= 1
    assert house.ended(job_id)["delivery"]["status"] == "delivered"


def test_ids_of_nothing_are_not_found(house: House) -> None:
    for path in (
        "/v1/jobs/job_nothing",
        "/v1/deliveries/dlv_nothing",
        "/v1/deliveries/dlv_nothing/attempts",
        f"/v1/jobs/{new_id('job')}",
    ):
        is_problem(house.call("GET", path), 404, "not_found")
