"""Each bad input has one typed error, with its stage: the same in the API, in `tagger jobs show` and in the dead letter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from acceptance.house import House, until
from acceptance.pictures import HTML, huge_header, png

Make = Callable[[House], str]

# what comes, how it is made (its URL), the error's code, its stage
BAD: list[tuple[str, Make, str, str]] = [
    ("unreadable", lambda h: h.pictures.put("unreadable.jpg", png()[:60], kind="image/jpeg"), "image_unreadable", "decode"),
    ("not-there", lambda h: f"http://{h.pictures.host}/nothing.jpg", "image_not_found", "fetch"),
    ("twenty-gigapixels", lambda h: h.pictures.put("huge.png", huge_header()), "image_too_many_pixels", "decode"),
    ("html-called-jpg", lambda h: h.pictures.put("page.jpg", HTML, kind="image/jpeg"), "image_unreadable", "decode"),
    ("private-address", lambda h: "http://10.0.0.1/a.jpg", "address_forbidden", "fetch"),
    ("loopback", lambda h: "http://127.0.0.1:9/a.jpg", "address_forbidden", "fetch"),
    ("metadata-service", lambda h: "http://169.254.169.254/latest/", "address_forbidden", "fetch"),
    ("over-the-limit", lambda h: h.pictures.put("long.png", b"\x89PNG" + bytes(2 << 20)), "image_too_large", "fetch"),
]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The jobs once they have ended, by asset; and what the command line and the API say of those that failed, by job."""

    jobs: dict[str, dict[str, Any]]
    told: dict[str, Any]
    letters_told: dict[str, Any]
    letters: dict[str, Any]


@pytest.fixture(scope="module")
def outcome(house: House) -> Outcome:
    """All of them at once, each beside a good neighbour."""
    ids = {}
    for name, make, _, _ in BAD:
        ids[name] = house.posted(name, make(house))
        ids["beside-" + name] = house.posted("beside-" + name, house.pictures.put(f"good-{name}.png", png((len(ids), 200, 9))))
    jobs = {name: house.ended(job_id) for name, job_id in ids.items()}
    return Outcome(
        jobs=jobs,
        told={job["id"]: job["error"] for job in house.told("jobs", "list", "--status", "dead", "--limit", "1000")["data"]},
        letters_told={letter["job"]: letter["error"] for letter in house.told("dead-letters", "list")["data"]},
        letters={x["job"]: x["error"] for x in house.call("GET", "/v1/dead-letters?limit=200").json()["data"]},
    )


@pytest.mark.parametrize(("name", "code", "stage"), [(name, code, stage) for name, _, code, stage in BAD])
def test_a_bad_image_ends_with_its_typed_error_everywhere(outcome: Outcome, name: str, code: str, stage: str) -> None:
    job = outcome.jobs[name]
    assert (job["status"], job["error"]["code"], job["error"]["stage"]) == ("dead", code, stage)
    assert job["error"]["type"] == "https://tagger.dev/errors/" + code.replace("_", "-")
    assert job["error"]["remedy"]
    for place in (outcome.told, outcome.letters_told, outcome.letters):
        assert place[job["id"]] == job["error"]


def test_one_of_them_is_told_in_plain_words(house: House, outcome: Outcome) -> None:
    job = outcome.jobs["html-called-jpg"]
    words = house.tagger("jobs", "show", job["id"]).stdout
    for word in ("image_unreadable", "stage decode", job["error"]["remedy"]):
        assert word in words
    assert (
        house.told("jobs", "show", job["id"])["error"] == job["error"] == house.told("dead-letters", "show", job["id"])["error"]
    )


def test_the_neighbours_finish_uncharged(outcome: Outcome) -> None:
    good = {n: (job["status"], job["attempts"], job["crashes"]) for n, job in outcome.jobs.items() if n.startswith("beside-")}
    assert set(good.values()) == {("done", 1, 0)}, good


def test_an_unknown_profile_is_refused_when_it_is_named(house: House) -> None:
    body = {"asset": {"id": "profile", "image": {"url": "http://x.example/a.png"}}, "profile": "jewellery"}
    answer = house.call("POST", "/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["stage"]) == (422, "unknown_profile", "accept")
    assert "jewellery" in answer.json()["detail"]
    assert house.call("PUT", "/v1/assets/a/image?profile=jewellery", data=png()).json()["code"] == "unknown_profile"
    refused = house.tagger("sites", "add", "jewels", "--profile", "jewellery")
    assert refused.returncode == 1
    assert "unknown_profile" in refused.stderr


def test_a_sites_profile_that_is_gone_falls_back_with_a_warning(house: House) -> None:
    site = house.ledger.get_site("other")
    house.ledger.put_site(replace(site, id="gone-profile", profile="abolished"))
    answer = house.call("PUT", "/v1/assets/fallback/image?site=gone-profile", key="operator", data=png((9, 120, 120)))
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = {}

    def look() -> bool:
        found.update(house.job(answer.json()["id"], key="operator"))
        return found["status"] not in ("accepted", "running")

    until(look, "the job of a site without a profile")
    assert found["status"] == "done"
    assert any("abolished" in warning for warning in found["warnings"]), found["warnings"]


def test_a_duplicate_is_the_same_job(house: House) -> None:
    url = house.pictures.put("twice.png", png((66, 66, 1)))
    body = {"asset": {"id": "twice", "revision": "1", "image": {"url": url}}}
    first, second = (house.call("POST", "/v1/jobs", json=body) for _ in range(2))
    assert second.status_code == 202
    assert second.json()["id"] == first.json()["id"]
