"""Uploaded bytes in a bucket: the contract, against a real S3 server, and what a store does that is away, slow or wrong."""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.blobs_contract import BODY, DAY_MS, BlobsContract, nothing, now_ms
from support.s3_server import ACCESS, SECRET, S3Server
from typer.testing import CliRunner

from tagger.blobs import Blobs, open_blobs
from tagger.blobs.s3 import S3Blobs, S3Options
from tagger.cli.main import app
from tagger.errors import FetchFailed, SettingsError, StorageUnavailable
from tagger.settings import load

KEY = "a" * 64 + "-" + "0" * 16


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    running = S3Server()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def options(server: S3Server) -> S3Options:
    return S3Options(
        bucket=server.bucket(),
        prefix="tagger/",
        endpoint=server.endpoint,
        region="us-east-1",
        access_key=ACCESS,
        secret_key=SECRET,
    )


class TestS3Blobs(BlobsContract):
    @pytest.fixture
    def blobs(self, options: S3Options) -> Blobs:
        return S3Blobs(options)

    @pytest.fixture
    def same_blobs(self, blobs: Blobs, options: S3Options) -> Blobs:
        return S3Blobs(options)


def test_the_settings_open_the_bucket(server: S3Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    bucket = server.bucket()
    env = {
        "TAGGER_HOME": str(tmp_path / "home"),
        "TAGGER_BLOB_URL": f"s3://{bucket}/one/two",
        "TAGGER_S3_ENDPOINT": server.endpoint,
        "TAGGER_S3_ACCESS_KEY": ACCESS,
        "TAGGER_S3_SECRET_KEY_FILE": str(secret),
    }
    key = open_blobs(load(env)).put(BODY)
    (item,) = server.client().list_objects_v2(Bucket=bucket)["Contents"]
    assert (item["Key"], item["Size"]) == (f"one/two/{key}", len(BODY))
    assert not (tmp_path / "home").exists(), "nothing is written to the home"


def test_one_key_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="s3_secret_key"):
        open_blobs(load({"TAGGER_BLOB_URL": "s3://bucket", "TAGGER_S3_ACCESS_KEY": "a"}, home=tmp_path))


def test_an_object_is_never_overwritten(options: S3Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two uploads that take the same key, which chance never gives: the second is refused, and the first stays."""
    monkeypatch.setattr("tagger.blobs.s3.new_key", lambda _data: hashlib.sha256(BODY).hexdigest() + "-" + "0" * 16)
    blobs = S3Blobs(options)
    key = blobs.put(BODY)
    with pytest.raises(StorageUnavailable, match="PreconditionFailed"):
        blobs.put(b"other bytes")
    assert blobs.get(key) == BODY


def test_an_upload_whose_answer_was_lost_counts(options: S3Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore sends it again, and the store says that the key exists."""
    monkeypatch.setattr("tagger.blobs.s3.new_key", lambda _data: hashlib.sha256(BODY).hexdigest() + "-" + "0" * 16)
    blobs = S3Blobs(options)
    assert blobs.put(BODY) == blobs.put(BODY)
    assert blobs.get(blobs.put(BODY)) == BODY


def test_a_sweep_reads_every_page_and_leaves_what_is_not_ours(
    server: S3Server, options: S3Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagger.blobs.s3.PAGE", 2)
    client = server.client()
    foreign = ("tagger/readme.txt", "other/" + "a" * 64 + "-" + "0" * 16)
    for name in foreign:
        client.put_object(Bucket=options.bucket, Key=name, Body=b"x")
    blobs = S3Blobs(options)
    for number in range(5):
        blobs.put(b"%d" % number)
    assert blobs.sweep(now_ms() + DAY_MS, nothing) == 5
    assert {item["Key"] for item in client.list_objects_v2(Bucket=options.bucket)["Contents"]} == set(foreign)


def test_other_bytes_under_the_key_are_an_error_of_these_bytes(server: S3Server, options: S3Options) -> None:
    blobs = S3Blobs(options)
    key = blobs.put(BODY)
    server.client().put_object(Bucket=options.bucket, Key=options.prefix + key, Body=b"changed")
    with pytest.raises(FetchFailed, match="other bytes"):
        blobs.get(key)


def test_a_bucket_that_does_not_exist_is_named(server: S3Server, options: S3Options) -> None:
    blobs = S3Blobs(S3Options(bucket="no-such-bucket", endpoint=server.endpoint, access_key=ACCESS, secret_key=SECRET))
    with pytest.raises(StorageUnavailable, match="no-such-bucket does not exist"):
        blobs.put(BODY)


def test_a_wrong_secret_is_refused_and_named(server: S3Server, options: S3Options) -> None:
    if server.is_ours:
        pytest.skip("moto checks no signature; `make s3-test` runs this against Ceph")
    with pytest.raises(StorageUnavailable, match=r"refused the access \(SignatureDoesNotMatch\)") as caught:
        S3Blobs(replace(options, secret_key="wrong")).put(BODY)
    assert "wrong" not in str(caught.value)


def test_a_store_that_is_away_says_so_and_serves_again_when_it_is_back() -> None:
    server = S3Server()
    if not server.is_ours:
        pytest.skip("the server is not this test's to stop")
    server.start()
    bucket = server.bucket()
    blobs = S3Blobs(S3Options(bucket=bucket, endpoint=server.endpoint, access_key=ACCESS, secret_key=SECRET))
    blobs.put(BODY)
    server.stop()
    for call in (lambda: blobs.put(BODY), lambda: blobs.get(KEY), lambda: blobs.delete(KEY), lambda: blobs.sweep(0, nothing)):
        with pytest.raises(StorageUnavailable, match=f"bucket {bucket} cannot be reached"):
            call()
    server.start()
    try:
        server.client().create_bucket(Bucket=bucket)  # moto has forgotten it
        assert blobs.get(blobs.put(BODY)) == BODY
    finally:
        server.stop()


def test_a_store_that_never_answers_is_given_up_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        blobs = S3Blobs(S3Options(bucket="bucket", endpoint=endpoint, access_key=ACCESS, secret_key=SECRET, seconds=0.3))
        for call in (lambda: blobs.put(BODY), lambda: blobs.get(KEY)):
            started = time.monotonic()
            with pytest.raises(StorageUnavailable):
                call()
            assert time.monotonic() - started < 10


def test_no_secret_is_logged_or_told(caplog: pytest.LogCaptureFixture, options: S3Options) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = S3Options(bucket=options.bucket, endpoint="http://127.0.0.1:9", access_key=ACCESS, secret_key=SECRET, seconds=1)
    S3Blobs(options).put(BODY)
    with pytest.raises(StorageUnavailable) as caught:
        S3Blobs(wrong).put(BODY)
    told = caplog.text + repr(options) + str(caught.value) + repr(caught.value.__cause__)
    for secret in (SECRET, ACCESS, "Signature="):
        assert secret not in told


def test_the_doctor_says_whether_the_bucket_works(server: S3Server, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    env = {
        "TAGGER_HOME": str(home),
        "TAGGER_BLOB_URL": f"s3://{server.bucket()}",
        "TAGGER_S3_ENDPOINT": server.endpoint,
        "TAGGER_S3_ACCESS_KEY": ACCESS,
        "TAGGER_S3_SECRET_KEY": SECRET,
    }

    def found(**changes: str) -> dict[str, str]:
        told = CliRunner().invoke(app, ["doctor", "--json"], env={**env, **changes})
        (finding,) = [finding for finding in json.loads(told.stdout)["data"] if finding["what"] == "Uploaded bytes"]
        return finding

    assert found()["state"] == "ok"
    away = found(TAGGER_BLOB_URL="s3://no-such-bucket")
    assert (away["state"], away["detail"]) == ("broken", "The bucket no-such-bucket does not exist.")
    assert "blob_url" in away["remedy"]
