"""Flower, asked over HTTP beside a real broker and a real worker: what it says of a job is what the ledger says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from support.worker_house import ROOT, WorkerHouse

from tagger.asset import ImageSource
from tagger.job import JobRequest
from tagger.settings import child_env
from tagger.site import Site
from tagger.system.home import free_port

pytest.importorskip("flower")


class Flower:
    def __init__(self, house: WorkerHouse) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        env = {**child_env(house.settings), "FLOWER_UNAUTHENTICATED_API": "true"}
        argv = [sys.executable, "-m", "tagger", "flower", "--port", self.url.rpartition(":")[2]]
        with (house.home / "flower.log").open("wb") as log:
            self.process = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=log, stderr=log)

    def tasks(self, **by: str) -> dict[str, dict[str, Any]]:
        try:
            answer = requests.get(f"{self.url}/api/tasks", params=by, timeout=10)
        except requests.ConnectionError:
            return {}
        assert answer.status_code == 200, answer.text
        found: dict[str, dict[str, Any]] = answer.json()
        return found

    def state(self, job_id: str) -> str | None:
        return self.tasks().get(job_id, {}).get("state")

    def up(self) -> bool:
        try:
            return "online" in requests.get(f"{self.url}/workers", timeout=10).text.lower()
        except requests.ConnectionError:
            return False


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerHouse]:
    made = WorkerHouse(tmp_path_factory.mktemp("house"))
    made.ledger.put_site(Site(id="site", name="A site", allowed_hosts=("127.0.0.1:9",)))
    yield made
    made.close()


@pytest.fixture(scope="module")
def flower(house: WorkerHouse) -> Iterator[Flower]:
    shown = Flower(house)
    try:
        house.tag()
        house.until(shown.up, "Flower sees the worker")
        yield shown
    finally:
        shown.process.terminate()
        shown.process.wait(20)


def accepted(house: WorkerHouse, asset: str, source: ImageSource | None = None, revision: str = "1") -> str:
    [known] = house.accept(1)
    like = house.ledger.job(known).request
    house.ledger.cancel(known)
    request: JobRequest = replace(like, asset_id=asset, asset_revision=revision, source=source or like.source)
    [answer] = house.ledger.accept([request])
    return answer.job_id


def hinted(house: WorkerHouse, job_id: str) -> str:
    house.hints.send(job_id, "upload")
    return job_id


def becomes(house: WorkerHouse, flower: Flower, job_id: str, state: str) -> dict[str, Any]:
    house.until(lambda: flower.state(job_id) == state, f"Flower says {state} of {house.ledger.job_status(job_id)}")
    return flower.tasks()[job_id]


def test_a_described_job_succeeded_and_its_asset_finds_it(house: WorkerHouse, flower: Flower) -> None:
    job = hinted(house, accepted(house, "post-4711/猫 \x1b[31m'\"&.jpg"))
    task = becomes(house, flower, job, "SUCCESS")
    assert (task["name"], task["result"]) == ("tagger.describe", "described")
    assert task["runtime"] > 0
    for search in ("post-4711", "4711/猫", "kwargs:site=site"):
        assert job in flower.tasks(search=search), search
    assert "\x1b" not in task["kwargs"]


def test_a_dead_job_failed_with_its_code(house: WorkerHouse, flower: Flower) -> None:
    broken = house.pictures / "broken.jpg"
    broken.write_bytes(b"no picture at all")
    source = ImageSource(kind="file", location=str(broken), root=str(house.pictures))
    task = becomes(house, flower, hinted(house, accepted(house, "broken", source)), "FAILURE")
    assert task["exception"].startswith("image_unreadable: ")
    assert task["traceback"], "the remedy"


def test_a_job_that_waits_for_another_attempt_is_a_retry_until_it_ends(house: WorkerHouse, flower: Flower) -> None:
    away = ImageSource(kind="url", location="http://127.0.0.1:9/a.png")
    first, second = (hinted(house, accepted(house, asset, away)) for asset in ("away-1", "away-2"))
    task = becomes(house, flower, first, "RETRY")
    assert task["exception"].startswith("image_unreachable: ")
    becomes(house, flower, second, "RETRY")
    assert house.ledger.cancel(first) == "cancelled"
    newer = [replace(house.ledger.job(second).request, asset_revision="2")]
    [answer] = house.ledger.accept(newer)
    assert answer.superseded == (second,), "who accepts it is told whom to tell of"
    house.ledger.cancel(answer.job_id)  # else its retry takes the next test's hint
    for job in (first, second):
        hinted(house, job)
        becomes(house, flower, job, "REVOKED")


def test_what_was_cancelled_or_superseded_before_it_began_is_revoked(house: WorkerHouse, flower: Flower) -> None:
    cancelled, older = accepted(house, "cancelled-one"), accepted(house, "twice")
    house.ledger.cancel(cancelled)
    newer = accepted(house, "twice", revision="2")
    for job in (cancelled, older, newer):
        hinted(house, job)
    becomes(house, flower, newer, "SUCCESS")
    for job, asset in ((cancelled, "cancelled-one"), (older, "twice")):
        assert asset in becomes(house, flower, job, "REVOKED")["kwargs"]


def test_a_hint_that_brings_another_job_tells_of_that_one(house: WorkerHouse, flower: Flower) -> None:
    first = hinted(house, accepted(house, "first"))
    becomes(house, flower, first, "SUCCESS")
    began = flower.tasks()[first]["started"]
    other = accepted(house, "brought-by-another")
    hinted(house, first)  # its own job is done
    task = becomes(house, flower, other, "SUCCESS")
    assert "brought-by-another" in task["kwargs"]
    assert flower.tasks()[first]["started"] == began, "nothing new is said of the job that the hint named"


def test_a_job_that_its_worker_gives_back_at_the_end_goes_on_elsewhere(house: WorkerHouse, flower: Flower) -> None:
    """Last: it ends the worker of this file. What its tasks told at the very end still arrives."""
    jobs = [accepted(house, f"at-the-end-{n}") for n in range(30)]
    for job in jobs:
        hinted(house, job)
    house.until(lambda: house.ledger.job_status(jobs[0]) != "accepted", "it has begun")
    worker = house.processes[-1]
    worker.terminate()
    worker.wait(30)
    house.tag()
    house.until(lambda: house.ledger.lane_counts()["upload"].running == 0, "nothing runs")
    for job in jobs:
        if house.ledger.job_status(job) == "accepted":
            hinted(house, job)
    house.until(lambda: house.all_done(jobs), "all are described")
    house.until(lambda: {flower.state(job) for job in jobs} == {"SUCCESS"}, "Flower knows it of each")


def guarded(house: WorkerHouse, *argv: str, password: str = "") -> tuple[subprocess.Popen[bytes], str]:
    port = free_port()
    env = child_env(house.settings)
    if password:
        (house.home / "flower_password").write_text(password + "\n")
        env["TAGGER_FLOWER_PASSWORD_FILE"] = str(house.home / "flower_password")
    run = [sys.executable, "-m", "tagger", "flower", "--port", str(port), *argv]
    with (house.home / "guarded.log").open("wb") as log:
        return subprocess.Popen(run, env=env, cwd=ROOT, stdout=log, stderr=log), f"http://127.0.0.1:{port}"


def status(url: str, auth: tuple[str, str] | None = None, **headers: str) -> int:
    try:
        return requests.get(url, auth=auth, headers=headers, timeout=10).status_code
    except requests.ConnectionError:
        return 0


def test_beyond_this_machine_flower_asks_for_a_password(house: WorkerHouse) -> None:
    process, url = guarded(house, "--address", "0.0.0.0", password="one/two")
    right = ("tagger", "one/two")
    try:
        house.until(lambda: status(f"{url}/healthcheck") == 200, "a health check needs no password")
        for path in ("/tasks", "/workers", "/api/tasks"):
            assert status(url + path) == 401, path
            assert status(url + path, ("tagger", "wrong")) == 401, path
            assert status(url + path, right) == 200, path
        assert status(f"{url}/tasks", right, Host="flower.example.org") == 200, "with a password any name will do"
        strange = {"Origin": "https://elsewhere.example", "Host": "flower.example.org"}
        answer = requests.post(f"{url}/api/worker/shutdown/x", auth=right, headers=strange, timeout=10)
        assert answer.status_code == 403, "a page of another site has its reader's password, and gets nothing for it"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize(("password", "words"), [("", "needs a password"), ("a,b", "comma")])
def test_flower_does_not_start_without_a_password_that_works(house: WorkerHouse, password: str, words: str) -> None:
    process, _ = guarded(house, "--address", "0.0.0.0", password=password)
    assert process.wait(60) == 1
    assert words in (house.home / "guarded.log").read_text()
