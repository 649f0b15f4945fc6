"""Uploads and jobs while the bucket of uploaded bytes does not answer: nothing is accepted without its bytes, and no accepted job
is lost. The API, the tag worker, the broker, the ledger and the S3 server are real; the models are fake."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from support.s3_server import ACCESS, SECRET, S3Server
from support.worker_house import WorkerHouse

from tagger.api.app import create_app
from tagger.keys import hash_key

AUTH = {"Authorization": "Bearer key"}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    running = S3Server()
    if not running.is_ours:
        pytest.skip("the server is not this test's to stop")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def house(server: S3Server, tmp_path: Path) -> Iterator[WorkerHouse]:
    bucket = {"blob_url": f"s3://{server.bucket()}", "s3_endpoint": server.endpoint, "s3_seconds": 1.0}
    made = WorkerHouse(tmp_path / "house", **bucket, s3_access_key=ACCESS, s3_secret_key=SECRET)
    made.ledger.add_key("site", "test", hash_key("key"))
    yield made
    made.close()


def png(grey: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), (grey, grey, 200)).save(out, "PNG")
    return out.getvalue()


def test_while_the_store_is_away_uploads_get_503_and_accepted_jobs_wait(server: S3Server, house: WorkerHouse) -> None:
    with TestClient(create_app(house.settings)) as api:
        accepted = api.put("/v1/assets/first/image", content=png(1), headers=AUTH)
        assert accepted.status_code == 202
        job = accepted.json()["id"]
        server.pause()
        try:
            refused = api.put("/v1/assets/second/image", content=png(2), headers=AUTH)
            assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (
                503,
                "storage_unavailable",
                True,
            )
            assert sum(house.ledger.stats().jobs.values()) == 1, "nothing was accepted without its bytes"
            by_url = {"asset": {"id": "third", "image": {"url": "http://127.0.0.1:9/a.png"}}, "lane": "backfill"}
            assert api.post("/v1/jobs", json=by_url, headers=AUTH).status_code == 202, "a URL needs no store"
            house.tag()
            house.until(lambda: "storage_unavailable" in house.logs(), "the worker has met the silent store")
            assert house.ledger.job_status(job) in ("accepted", "running")
        finally:
            server.resume()
        house.until(lambda: house.all_done([job]), "the job is described once the store answers", 60)
        assert api.put("/v1/assets/second/image", content=png(2), headers=AUTH).status_code == 202
    assert house.ledger.job(job).failures == 0, "the store's outage is not charged to the image"
