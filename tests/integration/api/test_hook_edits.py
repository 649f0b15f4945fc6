"""`asset.edited` and `image: {"send": true}` over the API: what a CMS tells tagger beside new pictures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tagger.api.app import create_app
from tagger.ledger import Ledger, open_ledger
from tagger.ledger.sending.outcomes import provenance_of
from tagger.net import signing
from tagger.settings import Settings
from tagger.site import Site
from tagger.system.home import make_home

SECRET = signing.new_secret()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    make_home(tmp_path / "home")
    ledger = open_ledger(Settings(home=tmp_path / "home").ledger)
    ledger.migrate()
    ledger.put_site(Site(id="blog", name="Blog", hook_secrets=(SECRET,)))
    yield ledger
    ledger.close()


@pytest.fixture
def api(tmp_path: Path, ledger: Ledger) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(home=tmp_path / "home", admin_key="operator"))) as client:
        yield client


def hook(api: TestClient, message: Any, secret: str = SECRET) -> tuple[int, Any]:
    body = json.dumps(message).encode()
    answer = api.post("/v1/hooks/blog", content=body, headers=signing.sign([secret], "evt_1", int(time.time()), body))
    return answer.status_code, answer.content and answer.json()


def edited(**fields: Any) -> dict[str, Any]:
    return {"type": "asset.edited", "data": {"asset": {"id": "4711"}, "by": "person", "fields": fields}}


def test_an_edit_makes_the_field_the_editors(api: TestClient, ledger: Ledger) -> None:
    assert hook(api, edited(alt_text={"en": {"value": "Tibby"}}), signing.new_secret())[0] == 401
    assert hook(api, edited(alt_text={"en": {"value": "Tibby"}})) == (204, b"")
    known = ledger._read(lambda conn: provenance_of(conn, "blog", "4711"))
    assert known.editor_fields == {("alt_text", "en")}
    assert b"Tibby" not in (Path(str(ledger._read(lambda conn: conn.engine.url.database)))).read_bytes(), "no text is stored"


def test_an_edit_that_is_not_as_agreed_is_told_its_place(api: TestClient) -> None:
    status, problem = hook(api, edited(alt_text={"en": "Tibby"}))
    assert (status, problem["errors"][0]["pointer"].startswith("/data/fields/alt_text")) == (422, True)


def test_a_picture_whose_bytes_follow_makes_its_job_when_they_come(api: TestClient) -> None:
    message = {"type": "asset.created", "data": {"asset": {"id": "4711", "image": {"send": True}}}}
    assert hook(api, message) == (204, b"")
    operator = {"Authorization": "Bearer operator", "X-Tagger-Site": "blog"}
    assert api.get("/v1/jobs?asset=4711", headers=operator).json()["data"] == []
