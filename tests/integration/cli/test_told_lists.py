"""Jobs for review can be listed by the command line and by the API. A site chooses which messages it receives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.ledger_cases.world import description
from typer.testing import CliRunner

from tagger.annotation import Verdict
from tagger.api.app import create_app
from tagger.asset import ImageSource
from tagger.cli.main import app
from tagger.delivery import Endpoint
from tagger.errors import DecodeError
from tagger.job import JobRequest
from tagger.ledger import Ledger, open_ledger
from tagger.settings import Settings
from tagger.site import Site

REVIEW = Verdict(action="review", reasons=("low_score", "text_unchecked"))
OPERATOR = {"Authorization": "Bearer operator"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A ledger with words that were published, words for review, and a dead job."""
    ledger = open_ledger(Settings(home=tmp_path).ledger)
    ledger.migrate()
    ledger.put_site(Site(id="blog", name="Blog"))
    ledger.put_endpoint(Endpoint(id="end", site_id="blog", url="https://cms.example/", secrets=("whsec_x",)))
    ledger.register_worker("w", role="tag", lane="upload", host="here", pid=1)
    good = description("Tabby cat")
    assert ledger.complete(_claim(ledger, "published"), good, {"alt_text": {"en": {"value": "Tabby cat"}}})
    assert ledger.complete(_claim(ledger, "doubtful"), replace(good, verdict=REVIEW), {})
    assert ledger.fail(_claim(ledger, "broken"), DecodeError("Not an image.").info(), {}) == "dead"
    ledger.close()
    return tmp_path


def _claim(ledger: Ledger, asset: str) -> Any:
    source = ImageSource(kind="url", location="https://cms.example/a.jpg")
    [job] = ledger.accept([JobRequest(site_id="blog", asset_id=asset, source=source)])
    return ledger.claim(lane="upload", worker_id="w", lease_ms=60_000, job_id=job.job_id)


def tagger(home: Path, *words: str) -> Any:
    done = CliRunner().invoke(app, ["--home", str(home), *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


@pytest.mark.parametrize(
    ("chosen", "assets"),
    [
        (["--verdict", "review"], ["doubtful"]),
        (["--reason", "text_unchecked"], ["doubtful"]),
        (["--verdict", "publish"], ["published"]),
        (["--verdict", "publish", "--reason", "low_score"], []),
        (["--verdict", "suppress"], []),
        ([], ["broken", "doubtful", "published"]),
    ],
)
def test_jobs_are_listed_by_verdict_and_reason(home: Path, chosen: list[str], assets: list[str]) -> None:
    said = json.loads(tagger(home, "jobs", "list", "--json", *chosen))
    assert sorted(job["asset"]["id"] for job in said["data"]) == assets
    with TestClient(create_app(Settings(home=home, admin_key="operator"))) as api:
        query = {name.removeprefix("--"): value for name, value in zip(chosen[::2], chosen[1::2], strict=True)}
        answer = api.get("/v1/jobs", params=query, headers=OPERATOR).json()
        assert sorted(job["asset"]["id"] for job in answer["data"]) == assets


def test_a_table_of_jobs_shows_their_verdict(home: Path) -> None:
    assert "review" in tagger(home, "jobs", "list", "--verdict", "review")


def test_a_reason_that_there_is_none_of_is_no_empty_list(home: Path) -> None:
    with pytest.raises(Exception, match="'low_scor' is not a reason of a verdict"):
        tagger(home, "jobs", "list", "--reason", "low_scor")
    with TestClient(create_app(Settings(home=home, admin_key="operator"))) as api:
        answer = api.get("/v1/jobs", params={"reason": "low_scor"}, headers=OPERATOR)
        assert (answer.status_code, "errors.md" in answer.json()["remedy"]) == (answer.json()["status"], True)
        assert 400 <= answer.status_code < 500
        assert api.get("/v1/jobs", params={"verdict": "maybe"}, headers=OPERATOR).status_code == 422


def test_deliveries_say_what_they_tell(home: Path) -> None:
    said = json.loads(tagger(home, "deliveries", "list", "--json"))["data"]
    told = {delivery["asset"]["id"]: delivery for delivery in said}
    assert {asset: delivery["type"] for asset, delivery in told.items()} == {
        "published": "asset.described", "doubtful": "asset.described", "broken": "asset.failed",
    }  # fmt: skip
    assert (told["doubtful"]["fields"], told["doubtful"]["notice"]["verdict"]) == ({}, "review")
    assert told["broken"]["notice"]["error"]["code"] == "image_unreadable"
    assert "asset.failed" in tagger(home, "deliveries", "show", told["broken"]["id"])


def test_a_site_turns_off_what_it_does_not_want_to_hear(home: Path) -> None:
    def wishes() -> tuple[bool, bool]:
        said = json.loads(tagger(home, "sites", "show", "blog"))
        return said["tell_unwritten"], said["tell_failed"]

    assert wishes() == (True, True)
    tagger(home, "sites", "set", "blog", "--no-tell-failed")
    assert wishes() == (True, False)
    tagger(home, "sites", "set", "blog", "--no-tell-unwritten", "--tell-failed")
    assert wishes() == (False, True)
    tagger(home, "sites", "set", "blog", "--name", "The blog")
    assert wishes() == (False, True), "what is not named stays"
    tagger(home, "sites", "add", "quiet", "--no-tell-failed")
    assert json.loads(tagger(home, "sites", "show", "quiet"))["tell_failed"] is False


def test_a_site_added_by_the_api_may_say_so_too(home: Path) -> None:
    with TestClient(create_app(Settings(home=home, admin_key="operator"))) as api:
        made = api.post("/v1/sites", json={"id": "shy", "name": "Shy", "tell_unwritten": False}, headers=OPERATOR).json()
        assert (made["tell_unwritten"], made["tell_failed"]) == (False, True)


def dead_job(home: Path) -> str:
    letters: list[dict[str, str]] = json.loads(tagger(home, "dead-letters", "list", "--json"))["data"]
    return letters[0]["id"]


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_each_id_that_is_no_dead_letter_is_named_with_its_reason(home: Path, verb: str) -> None:
    letter = dead_job(home)
    [job] = json.loads(tagger(home, "jobs", "list", "--verdict", "publish", "--json"))["data"]
    done = CliRunner().invoke(app, ["--home", str(home), "dead-letters", verb, letter, "job_nope", job["id"]])
    assert done.exit_code == 1
    assert "1 of 3" in done.stdout
    assert "job_nope: there is no such dead letter" in done.stderr
    assert f"{job['id']}: it is no open dead letter: it is described" in done.stderr
    assert f"{letter}:" not in done.stderr
    with pytest.raises(Exception, match="job_nope: there is no such dead letter"):
        tagger(home, "dead-letters", verb, "job_nope")


def test_the_api_names_the_ids_that_it_did_not_replay(home: Path) -> None:
    letter = dead_job(home)
    [waiting] = [d for d in json.loads(tagger(home, "deliveries", "list", "--json"))["data"] if d["asset"]["id"] == "published"]
    with TestClient(create_app(Settings(home=home, admin_key="operator"))) as api:
        body = {"ids": [letter, "job_nope"]}
        assert api.post("/v1/dead-letters/replay", json=body, headers=OPERATOR).json() == {
            "replayed": 1, "not_replayed": [{"id": "job_nope", "reason": "there is no such dead letter"}],
        }  # fmt: skip
        body = {"ids": [waiting["id"], "dlv_nope"]}
        assert api.post("/v1/deliveries/replay", json=body, headers=OPERATOR).json() == {
            "replayed": 0,
            "not_replayed": [
                {"id": waiting["id"], "reason": "it is not parked: it is pending"},
                {"id": "dlv_nope", "reason": "there is no such delivery"},
            ],
        }


def test_a_delivery_that_is_not_parked_is_named(home: Path) -> None:
    rows = {row["asset"]["id"]: row["id"] for row in json.loads(tagger(home, "deliveries", "list", "--json"))["data"]}
    with pytest.raises(Exception, match=f"{rows['published']}: it is not parked: it is pending"):
        tagger(home, "deliveries", "replay", rows["published"])
    ledger = open_ledger(Settings(home=home).ledger)
    ledger.enable_endpoint("end", False)
    ledger.claim_deliveries(worker_id="w", limit=1)  # parks what waits
    ledger.close()
    done = CliRunner().invoke(app, ["--home", str(home), "deliveries", "replay", rows["published"], "dlv_nope"])
    assert (done.exit_code, "not sent: dlv_nope: there is no such delivery" in done.stderr) == (1, True)
    assert "parked deliveries are sent now" in done.stdout
