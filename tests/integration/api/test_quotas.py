"""Quotas of a site, over the API and the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from tagger.api.app import create_app
from tagger.asset import ImageSource
from tagger.cli.main import app
from tagger.job import JobRequest
from tagger.keys import hash_key
from tagger.ledger import Ledger, open_ledger
from tagger.settings import load
from tagger.site import Site

AUTH = {"Authorization": "Bearer key"}
OTHER = {"Authorization": "Bearer other"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(load({}, home=tmp_path).ledger)
    opened.migrate()
    for site, key in (("blog", "key"), ("shop", "other")):
        opened.add_site(Site(id=site, name=site))
        opened.add_key(site, "test", hash_key(key))
    yield opened
    opened.close()


@pytest.fixture
def api(ledger: Ledger, tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(load({}, home=tmp_path, broker_url=f"redis+socket://{tmp_path}/none.sock"))) as client:
        yield client


def sites(tmp_path: Path, *words: str) -> dict[str, object]:
    done = CliRunner().invoke(app, ["--home", str(tmp_path), "sites", *words])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_beyond_the_open_jobs_a_site_gets_429_and_others_do_not(api: TestClient, ledger: Ledger, tmp_path: Path) -> None:
    assert sites(tmp_path, "set", "blog", "--max-open-jobs", "2", "--json")["max_open_jobs"] == 2
    jobs = [api.put(f"/v1/assets/{n}/image", content=b"x%d" % n, headers=AUTH).json()["id"] for n in range(2)]
    refused = api.post("/v1/jobs", json={"asset": {"id": "3", "image": {"url": "https://cms.example/a.jpg"}}}, headers=AUTH)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "quota_exceeded", "30")
    assert refused.json()["detail"] == "blog has 2 open jobs; its quota is 2."
    assert ledger.stats().jobs == {"accepted": 2}
    assert len([file for file in (tmp_path / "blobs").rglob("*") if file.is_file()]) == 2, "no bytes of a refused request stay"
    assert api.put("/v1/assets/1/image", content=b"x", headers=OTHER).status_code == 202
    assert sites(tmp_path, "show", "blog")["open_jobs"] == 2
    ledger.cancel(jobs[0])
    assert api.put("/v1/assets/3/image", content=b"x3", headers=AUTH).status_code == 202


def test_beyond_the_bytes_of_a_day_uploads_get_429_and_urls_do_not(api: TestClient, tmp_path: Path) -> None:
    sites(tmp_path, "set", "blog", "--max-bytes-a-day", "100", "--json")
    assert api.put("/v1/assets/1/image", content=b"a" * 60, headers=AUTH).status_code == 202
    assert api.put("/v1/assets/1/image", content=b"a" * 30, headers=AUTH).status_code in (200, 202)
    refused = api.put("/v1/assets/2/image", content=b"b" * 41, headers=AUTH)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    by_url = {"asset": {"id": "3", "image": {"url": "https://cms.example/a.jpg"}}}
    assert api.post("/v1/jobs", json=by_url, headers=AUTH).status_code == 202
    assert sites(tmp_path, "show", "blog")["bytes_today"] == 90
    sites(tmp_path, "set", "blog", "--max-bytes-a-day", "0", "--json")
    assert api.put("/v1/assets/2/image", content=b"b" * 41, headers=AUTH).status_code == 202


def test_a_new_day_begins_at_nought(tmp_path: Path) -> None:
    now = [1_790_000_000_000]
    ledger = open_ledger(load({}, home=tmp_path).ledger, clock=lambda: now[0])
    ledger.migrate()
    ledger.add_site(Site(id="blog", name="blog"))
    request = JobRequest(site_id="blog", asset_id="1", source=ImageSource(kind="url", location="https://cms.example/a.jpg"))
    ledger.accept([request], uploaded=7)
    ledger.accept([request], uploaded=7)  # known: it counts once
    assert ledger.usage("blog").bytes_today == 7
    now[0] += 86_400_000
    assert ledger.usage("blog").bytes_today == 0
    assert ledger.expire_rest(0) >= 1, "the counter of the day before goes"
    ledger.close()
