"""Adding a site: the API and the command line make the same of the same wishes, and refuse the same ones with the same words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

from tagger.api.app import create_app
from tagger.cli.main import app as cli
from tagger.errors import BadRequest
from tagger.ledger import open_ledger
from tagger.settings import Settings

OPERATOR = {"Authorization": "Bearer operator"}
LOOPBACK = "http://127.0.0.1:9/hook"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TAGGER_HOME", str(tmp_path))
    settings = Settings(home=tmp_path, admin_key="operator", broker_url=f"redis+socket://{tmp_path}/none.sock")
    ledger = open_ledger(settings.ledger)
    ledger.migrate()
    ledger.close()
    return settings


@pytest.fixture
def api(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers=OPERATOR) as client:
        yield client


def tagger(*argv: str) -> Result:
    return CliRunner().invoke(cli, list(argv))


def test_both_ways_make_the_same_site(api: TestClient) -> None:
    endpoint = {"url": LOOPBACK, "allow_private": True}
    wishes = {"id": "one", "name": "Blog", "locales": ["de"], "allowed_hosts": ["cms.lan"], "endpoint": endpoint}
    made = api.post("/v1/sites", json=wishes).json()
    done = tagger(
        "sites", "add", "two", "--name", "Blog", "--locale", "de", "--allow-host", "cms.lan", "--endpoint", LOOPBACK,
        "--allow-private", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    by_command = json.loads(done.stdout)
    for site in (made, by_command):
        assert site["hook_secret"].startswith("whsec_")
        assert site["callback_secret"].startswith("whsec_")
        assert site["hook_secret"] != site["callback_secret"]
    ignored = {"id", "endpoint", "hook_secret", "callback_secret"}
    assert {k: v for k, v in made.items() if k not in ignored} == {k: v for k, v in by_command.items() if k not in ignored}
    assert (made["cms"], made["profile"]) == ("generic", "general")


@pytest.mark.parametrize(
    ("wishes", "options", "words"),
    [
        ({"cms": "typo3"}, ("--cms", "typo3"), "There is no writer `typo3`."),
        ({"cms": "folder"}, ("--cms", "folder"), "There is no writer `folder`."),  # it is read, and takes no texts
        ({"endpoint": {"url": LOOPBACK}}, ("--endpoint", LOOPBACK), f"The endpoint {LOOPBACK} has a loopback address."),
        (
            {"endpoint": {"url": "http://169.254.169.254/", "allow_private": True}},
            ("--endpoint", "http://169.254.169.254/", "--allow-private"),
            "The endpoint http://169.254.169.254/ has a link-local address.",
        ),
    ],
)
def test_both_ways_refuse_the_same_in_the_same_words(
    api: TestClient, wishes: dict[str, Any], options: tuple[str, ...], words: str
) -> None:
    refused = api.post("/v1/sites", json={"id": "one", "name": "Blog", **wishes})
    assert (refused.status_code, refused.json()["detail"]) == (422, words)
    done = tagger("sites", "add", "one", *options)
    assert isinstance(done.exception, BadRequest), done.output
    assert str(done.exception) == words
    assert api.get("/v1/sites").json()["data"] == [], "nothing was stored"


def test_the_cms_of_a_site_can_be_changed_to_one_that_is_known(api: TestClient) -> None:
    api.post("/v1/sites", json={"id": "one", "name": "Blog"})
    assert tagger("sites", "set", "one", "--cms", "generic").exit_code == 0
    assert isinstance(tagger("sites", "set", "one", "--cms", "typo3").exception, BadRequest)
    assert api.get("/v1/sites/one").json()["cms"] == "generic"
