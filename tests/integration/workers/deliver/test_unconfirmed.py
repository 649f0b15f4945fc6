"""An endpoint on a wrong path, seen by an operator: command line, API and metrics; and the one command that mends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs
from typer.testing import CliRunner

from integration.workers.deliver.test_deliver_loop import FakeEndpoints, Running, add_site, describe, statuses, until
from tagger.api.app import create_app
from tagger.cli.main import app
from tagger.confirmation import ROW
from tagger.errors import BadRequest
from tagger.ledger import Ledger, open_ledger
from tagger.net.client import Reply
from tagger.settings import Settings

NOT_FOUND = Reply(status=404, headers={}, body=b"<!doctype html><title>Not found</title>")
PAGE = Reply(status=200, headers={}, body=b"<!doctype html><title>Welcome</title>")
OPERATOR = {"Authorization": "Bearer operator"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(Settings(home=tmp_path).ledger)
    ledger.migrate()
    ledger.register_worker("tagger", role="tag", lane="upload", host="here", pid=1)
    add_site(ledger, "blog")
    yield ledger
    ledger.close()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The deliverer's log does not get among what a command prints."""
    with capture_logs():
        yield


def tagger(home: Path, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["--home", str(home), *words])
    assert done.exit_code == code, done.output + str(done.exception)
    return done.output


@pytest.mark.parametrize("wrong", [NOT_FOUND, PAGE], ids=["404", "a page"])
def test_a_wrong_path_is_seen_and_one_command_sends_everything_again(ledger: Ledger, tmp_path: Path, wrong: Reply) -> None:
    endpoints = FakeEndpoints()
    endpoints.answers["blog"] = lambda: wrong
    ids = [describe(ledger, "blog", f"a{number}") for number in range(ROW + 2)]
    running = Running(Settings(home=tmp_path, deliver_threads=4, deliver_seconds=5), ledger, endpoints)
    try:
        until(lambda: statuses(ledger, "blog") == {"delivered": len(ids)})
        settings = Settings(home=tmp_path, admin_key="operator")
        with TestClient(create_app(settings)) as api:
            assert "tagger_endpoints_unconfirmed 1.0" in api.get("/metrics").text
            seen = tagger(tmp_path, "status")
            assert f"the last {len(ids)} answers of the endpoint of blog" in seen
            command = seen.partition("tagger deliveries replay ")[2].partition("`")[0]
            [trouble] = [found for found in json.loads(tagger(tmp_path, "status", "--json"))["attention"] if "blog" in str(found)]
            assert command in trouble["remedy"]

            endpoints.answers.clear()  # mended
            endpoints.sent.clear()
            refused = api.post(
                "/v1/deliveries/replay", json={"unconfirmed": True, "since": "2026-01-01T00:00:00Z"}, headers=OPERATOR
            )
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/unconfirmed")
            said = tagger(tmp_path, "deliveries", "replay", *command.split())
            assert f"blog: {len(ids)} unconfirmed deliveries are sent again." in said
            until(lambda: outcomes(ledger, ids) == {"written"})
            assert sorted(endpoints.sent) == sorted(ids), "each once, under its own id"
            assert "tagger_endpoints_unconfirmed 0.0" in api.get("/metrics").text
            again = api.post("/v1/deliveries/replay", json={"unconfirmed": True, "site": "blog"}, headers=OPERATOR)
            assert again.json() == {"replayed": 0}
        assert "confirmed no delivery" not in tagger(tmp_path, "status")
    finally:
        running.end()


def outcomes(ledger: Ledger, ids: list[str]) -> set[Any]:
    found = [ledger.delivery(delivery_id) for delivery_id in ids]
    return {outcome.outcome for delivery in found for outcome in delivery.outcomes} if found else set()


@pytest.mark.usefixtures("ledger")
def test_the_choice_of_unconfirmed_ones_needs_a_site_and_takes_no_ids(tmp_path: Path) -> None:
    for words in (["--unconfirmed"], ["dlv_1", "--site", "blog", "--unconfirmed"], ["--all", "--unconfirmed"]):
        refused = CliRunner().invoke(app, ["--home", str(tmp_path), "deliveries", "replay", *words]).exception
        assert isinstance(refused, BadRequest)
        assert "--site" in str(refused)
    assert "blog: 0 unconfirmed" in tagger(tmp_path, "deliveries", "replay", "--site", "blog", "--unconfirmed")
