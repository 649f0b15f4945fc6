"""The API and callers without a key or of other sites: they cannot cause cost, and they learn nothing."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY

from tagger.api.app import create_app
from tagger.keys import hash_key
from tagger.ledger import open_ledger
from tagger.net import signing
from tagger.settings import Settings
from tagger.site import Site

SECRET = signing.new_secret()
OPERATOR = {"Authorization": "Bearer operator"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(home=tmp_path, admin_key="operator", broker_url=f"redis+socket://{tmp_path}/none.sock")
    ledger = open_ledger(settings.ledger)
    ledger.migrate()
    for site in ("mine", "other"):
        ledger.put_site(Site(id=site, name=site, hook_secrets=(SECRET,)))
        ledger.add_key(site, "test", hash_key("key-of-" + site))
    ledger.close()
    with TestClient(create_app(settings)) as client:
        yield client


def test_a_hook_as_big_as_an_image_is_refused_before_anybody_hashes_it(api: TestClient) -> None:
    body = b" " * (2 << 20)
    headers = signing.sign([SECRET], "evt_1", int(time.time()), body)
    answer = api.post("/v1/hooks/mine", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_full_disk_for_temporary_files_is_503(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)  # where a file part of more than a megabyte waits
    files = {"image": ("a.png", b"\0" * (2 << 20), "image/png"), "job": (None, '{"asset": {"id": "a"}}', "application/json")}
    answer = api.post("/v1/jobs", files=files, headers={"Authorization": "Bearer key-of-mine"})
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert answer.headers["retry-after"] == "2"


def test_made_up_methods_do_not_grow_the_metrics(api: TestClient) -> None:
    for number in range(5):
        api.request(f"MADEUP{number}", "/v1/jobs")
    seen = {sample.labels.get("method", "") for family in REGISTRY.collect() for sample in family.samples}
    assert not {method for method in seen if method.startswith("MADEUP")}


def test_another_sites_job_reads_like_one_that_never_was(api: TestClient) -> None:
    wanted = {"asset": {"id": "a", "image": {"url": "https://cms.example/a.jpg"}}}
    made = api.post("/v1/jobs", json=wanted, headers={"Authorization": "Bearer key-of-other"})
    assert made.status_code == 202
    theirs, never = made.json()["id"], "job_never"
    mine = {"Authorization": "Bearer key-of-mine"}

    def seen(method: str, path: str) -> tuple[int, str]:
        answer = api.request(method, path, headers=mine)
        return answer.status_code, answer.json()["detail"].replace(theirs, "ID").replace(never, "ID")

    for method, path in (("GET", "/v1/jobs/{}"), ("POST", "/v1/jobs/{}/cancel")):
        assert seen(method, path.format(theirs)) == seen(method, path.format(never)) == (404, "No job 'ID'.")
    assert api.get("/v1/sites/other", headers=mine).json()["detail"] == "No site 'other'."


@pytest.mark.parametrize("host", ["https://cms.lan/", "cms.lan:http", "user@cms.lan"])
def test_a_host_that_is_none_is_refused_with_the_site_and_not_with_every_image(api: TestClient, host: str) -> None:
    site = {"id": "new", "name": "New", "allowed_hosts": [host]}
    answer = api.post("/v1/sites", json=site, headers=OPERATOR)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/allowed_hosts/0"
