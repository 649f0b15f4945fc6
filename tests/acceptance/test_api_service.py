"""The API as a service: its description, probes, metrics, and its answers when a service is not available."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from acceptance.house import ROOT, TAGGER, House, clean_env, until
from acceptance.pictures import png
from tagger.keys import hash_key
from tagger.ledger import open_ledger
from tagger.site import Site
from tagger.system.home import free_port


def test_the_description_holds_together_and_its_examples_are_valid(house: House) -> None:
    document = house.call("GET", "/openapi.json", key=None).json()
    assert document["openapi"].startswith("3.1")

    def walk(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            yield node
            for inner in node.values():
                yield from walk(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from walk(inner)

    for node in walk(document):
        if isinstance(ref := node.get("$ref"), str):
            place = document
            for part in ref.removeprefix("#/").split("/"):
                assert part in place, f"{ref} leads nowhere"
                place = place[part]
    body = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schema = {**body, "components": document["components"]}
    jsonschema.Draft202012Validator.check_schema(body)
    for example in document["components"]["schemas"]["JobIn"]["examples"]:
        jsonschema.validate(example, schema)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path} has no summary"
    assert {scheme["scheme"] for scheme in document["components"]["securitySchemes"].values()} == {"bearer"}


def test_every_promised_metric_is_there_after_work(house: House) -> None:
    done = house.ended(house.call("PUT", "/v1/assets/measured/image", data=png((31, 41, 59))).json()["id"])
    assert done["status"] == "done"

    def samples() -> dict[str, float]:
        text = house.call("GET", "/metrics", key=None).text
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0) + sample.value
        return found

    promised = {
        "tagger_stage_seconds_count", "tagger_stage_seconds_sum", "tagger_batch_fill_ratio_count", "tagger_lane_depth",
        "tagger_lane_oldest_seconds", "tagger_lane_claimable", "tagger_rehints_total", "tagger_freed_jobs_total",
        "tagger_jobs_total", "tagger_delivery_attempts_total", "http_requests_total", "tagger_jobs", "tagger_workers",
        "tagger_ledger_up",
    }  # fmt: skip
    until(lambda: promised <= samples().keys(), f"metrics: {sorted(promised - samples().keys())}", 20)
    found = samples()
    assert found["tagger_stage_seconds_count"] > 0
    assert found["tagger_batch_fill_ratio_count"] > 0
    assert found["tagger_ledger_up"] == 1
    stages = {
        sample.labels["stage"]
        for family in text_string_to_metric_families(house.call("GET", "/metrics", key=None).text)
        for sample in family.samples
        if sample.name == "tagger_stage_seconds_count"
    }
    assert {"fetch", "decode"} <= stages


def test_probes(house: House) -> None:
    assert house.call("GET", "/healthz", key=None).json()["status"] == "ok"
    ready = house.call("GET", "/readyz", key=None)
    assert ready.status_code == 200
    assert ready.json()["ready"] is True


@contextmanager
def api_alone(home: Path, **settings: str) -> Iterator[str]:
    """`tagger api` and nothing else; its address."""
    port = free_port()
    env = clean_env(TAGGER_HOME=str(home), TAGGER_API_PORT=str(port), TAGGER_LOG_LEVEL="error", **settings)
    with (home / "api.log").open("wb") as log:
        process = subprocess.Popen([*TAGGER, "api"], env=env, cwd=ROOT, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: process.poll() is not None or _answers(address), "the API answers")
        assert process.poll() is None, (home / "api.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/healthz", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def test_without_a_broker_work_is_still_accepted(tmp_path: Path) -> None:
    with api_alone(tmp_path, TAGGER_BROKER_URL="redis://127.0.0.1:1") as address:
        ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
        try:
            ledger.put_site(Site(id="s", name="S"))
            ledger.add_key("s", "k", hash_key("k"))
            answer = requests.put(f"{address}/v1/assets/a/image", data=png(), headers={"Authorization": "Bearer k"}, timeout=10)
            assert answer.status_code == 202
            assert ledger.job(answer.json()["id"]).status == "accepted"
        finally:
            ledger.close()
        assert requests.get(f"{address}/readyz", timeout=10).status_code == 200


def test_without_a_ledger_everything_is_503_and_says_when_to_come_back(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    away = {"TAGGER_LEDGER_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none", "TAGGER_BROKER_URL": "redis://127.0.0.1:1"}
    with api_alone(tmp_path, **away) as address:
        headers = {"Authorization": "Bearer k"}
        for method, path in (("GET", "/readyz"), ("GET", "/v1/jobs"), ("PUT", "/v1/assets/a/image"), ("POST", "/v1/hooks/s")):
            answer = requests.request(method, address + path, data=png(), headers=headers, timeout=30)
            assert answer.status_code == 503, (path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["Retry-After"]
            assert (answer.json()["code"], answer.json()["retryable"]) == ("ledger_unavailable", True)
        assert requests.get(f"{address}/healthz", timeout=10).status_code == 200
        assert "tagger_ledger_up 0.0" in requests.get(f"{address}/metrics", timeout=30).text
