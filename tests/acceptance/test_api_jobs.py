"""Jobs over the socket: the shapes of the contract, the four ways of sending bytes, lists, waiting, cancelling."""

from __future__ import annotations

import base64
import json
import re

import pytest

from acceptance.house import House, until
from acceptance.pictures import png

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_a_job_goes_all_the_way_in_the_contracts_shapes(house: House) -> None:
    url = house.pictures.put("all-the-way.png", png((10, 200, 30)))
    fields = {
        "profile": "news",
        "locales": ["en"],
        "context": {"role": "informative", "title": "Title"},
        "metadata": {"post": "88"},
    }
    answer = house.call("POST", "/v1/jobs", json={"asset": {"id": "4711", "revision": "3", "image": {"url": url}}, **fields})
    assert answer.status_code == 202
    receipt = answer.json()
    assert receipt.keys() == {"id", "status", "asset", "created_at"}
    assert (receipt["status"], receipt["asset"]) == ("accepted", {"id": "4711"})
    assert INSTANT.fullmatch(receipt["created_at"])
    assert answer.headers["Location"] == f"/v1/jobs/{receipt['id']}"
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["x-request-id"].startswith("req_")

    job = house.ended(receipt["id"])
    contract = {"id", "status", "verdict", "attempts", "asset", "annotations", "delivery", "error", "timings_ms"}
    assert contract <= job.keys()
    assert (job["status"], job["attempts"], job["error"]) == ("done", 1, None)
    assert job["verdict"].keys() == {"action", "reasons"}
    assert job["asset"]["id"] == "4711"
    assert re.fullmatch(r"[0-9a-f]{64}", job["asset"]["sha256"])
    assert {"queue", "fetch", "model"} <= job["timings_ms"].keys()
    assert job["metadata"] == {"post": "88"}
    for one in job["annotations"]:
        assert {"field", "locale", "value", "score", "model", "rules", "outcome"} <= one.keys()
    if job["delivery"] is not None:
        assert job["delivery"].keys() == {"id", "status", "attempts", "next_attempt_at"}
        assert job["delivery"]["status"] == "delivered"


def test_bytes_may_come_as_base64_multipart_or_raw(house: House) -> None:
    picture = png((90, 90, 250))
    as_base64 = house.call(
        "POST", "/v1/jobs", json={"asset": {"id": "b64", "image": {"base64": base64.b64encode(picture).decode()}}}
    )
    as_data_url = {"base64": "data:image/png;base64," + base64.b64encode(picture).decode()}
    prefixed = house.call("POST", "/v1/jobs", json={"asset": {"id": "data-url", "image": as_data_url}})
    files = {"image": ("a.png", picture, "image/png"), "job": (None, json.dumps({"asset": {"id": "multi"}}), "application/json")}
    multipart = house.call("POST", "/v1/jobs", files=files)
    raw = house.call("PUT", "/v1/assets/folder/with%20space/ünï.png/image?role=link&locale=en", data=picture)
    for answer in (as_base64, prefixed, multipart, raw):
        assert answer.status_code == 202, answer.text
        job = house.ended(answer.json()["id"])
        assert (job["status"], job["error"]) == ("done", None)
    assert raw.json()["asset"]["id"] == "folder/with space/ünï.png"


def test_a_damaged_cursor_is_told_and_not_taken_for_the_end(house: House) -> None:
    for path in ("/v1/jobs", "/v1/deliveries", "/v1/dead-letters"):
        for cursor in ("job_", "nonsense", "job_01J9Z3"):
            answer = house.call("GET", path, params={"cursor": cursor})
            assert answer.status_code == 422, (path, cursor)
            assert "cursor" in answer.text


def test_lists_page_by_cursor_without_gaps_or_repetition(house: House) -> None:
    url = house.pictures.put("listed.png", png((5, 5, 5)))
    made = [house.posted("listed", url, metadata={"n": str(n)}) for n in range(1)]
    made += [house.call("PUT", "/v1/assets/listed/image", data=png((n, 5, 5))).json()["id"] for n in range(6)]
    seen, cursor = [], None
    while True:
        page = house.call(
            "GET", "/v1/jobs", params={"asset": "listed", "limit": 2, **({"cursor": cursor} if cursor else {})}
        ).json()
        assert page.keys() == {"data", "next_cursor"}
        assert len(page["data"]) <= 2
        seen += [job["id"] for job in page["data"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == sorted(made, reverse=True)
    for job_id in made:
        house.ended(job_id)
    done = house.call("GET", "/v1/jobs", params={"asset": "listed", "status": "done"}).json()["data"]
    assert {job["status"] for job in done} == {"done"}
    assert house.call("GET", "/v1/jobs", params={"status": "nonsense"}).status_code == 422


def test_describe_answers_with_the_words(house: House) -> None:
    url = house.pictures.put("described.png", png((250, 200, 10)))
    answer = house.call("POST", "/v1/describe", json={"asset": {"id": "described", "image": {"url": url}}})
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert job["status"] in ("described", "done")
    assert job["annotations"]
    assert house.ended(job["id"])["delivery"] is None, "describe writes nothing back"


def test_describe_answers_with_the_job_when_the_wait_is_over(house: House) -> None:
    url, door = house.pictures.behind_a_door("slow.png")
    answer = house.call("POST", "/v1/describe?wait=0.05", json={"asset": {"id": "slow", "image": {"url": url}}})
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    door.set()
    assert house.ended(answer.json()["id"])["status"] == "done", "the job goes on after the answer"


@pytest.mark.parametrize("wait", ["0", "-1", "nan", "soon"])
def test_a_wait_that_is_none_is_refused(house: House, wait: str) -> None:
    answer = house.call("POST", f"/v1/describe?wait={wait}", json={"asset": {"id": "a", "image": {"url": "http://x.example/a"}}})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/wait"


def test_cancel_ends_a_job_and_an_ended_one_stays_as_it_is(house: House) -> None:
    url, door = house.pictures.behind_a_door("cancelled.png")
    job_id = house.posted("cancelled", url)
    until(lambda: house.job(job_id)["status"] == "running", "a worker waits at the door")
    answer = house.call("POST", f"/v1/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    door.set()
    again = house.call("POST", f"/v1/jobs/{job_id}/cancel")
    assert again.json()["status"] == "cancelled"
    assert house.job(job_id)["annotations"] == [], "nothing of it is kept"
    assert house.receiver.messages["cancelled"] == 0
    assert house.call("POST", "/v1/jobs/job_nonsense/cancel").status_code == 404
