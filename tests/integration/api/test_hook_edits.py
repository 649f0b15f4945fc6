"""`asset.edited` and `image: {"send": true}` over the API: what a CMS tells tagger beside new pictures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from tagger.api.app import create_app
from tagger.asset import Context
from tagger.cms.base import ImageFollows
from tagger.job import JobRequest
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


@pytest.mark.parametrize("fields", [[], {"tags": []}, {"alt_text": []}], ids=["fields", "tags", "texts"])
def test_an_edit_without_words_may_be_written_as_php_writes_it(api: TestClient, fields: Any) -> None:
    assert hook(api, {"type": "asset.edited", "data": {"asset": {"id": "4711"}, "by": "person", "fields": fields}}) == (204, b"")


def test_an_edit_of_tags_in_an_unknown_key_is_not_passed_over(api: TestClient) -> None:
    status, problem = hook(api, edited(tags={"add": ["Tibby"]}))
    assert (status, problem["errors"][0]["pointer"]) == (422, "/data/fields/tags/add")


@pytest.mark.parametrize(
    "kind", ["asset.uploaded", "Asset.Created", "a\r\nX: y", "é" * 200], ids=["other", "case", "lines", "long"]
)
def test_a_hook_of_an_unknown_type_is_told_in_the_answer_and_in_the_log(api: TestClient, kind: str) -> None:
    body = json.dumps({"type": kind, "data": {"asset": {"id": "4711"}}}).encode()
    with capture_logs() as logs:
        answer = api.post("/v1/hooks/blog", content=body, headers=signing.sign([SECRET], "evt_1", int(time.time()), body))
    assert answer.status_code == 204
    assert answer.headers["Tagger-Ignored"] == f"unknown type {json.dumps(kind[:100])}"
    [line] = [line for line in logs if line["event"] == "hook.ignored"]
    assert (line["log_level"], line["site"], line["type"]) == ("warning", "blog", kind[:100])


OPERATOR = {"Authorization": "Bearer operator"}
SAID: dict[str, Any] = {
    "context": {"role": "decorative", "title": "Cats", "contains_text": False},
    "locales": ["de", "fr"],
    "fields": ["alt_text"],
    "profile": "news",
    "lane": "backfill",
    "metadata": {"post": "88"},
}


def follows(revision: str | None = None, **said: Any) -> dict[str, Any]:
    return {"type": "asset.created", "data": {"asset": {"id": "4711", "revision": revision, "image": {"send": True}}, **said}}


def put(api: TestClient, ledger: Ledger, query: str = "", data: bytes = b"the bytes") -> JobRequest:
    """The request of the job that the bytes make."""
    answer = api.put(f"/v1/assets/4711/image?site=blog{query}", content=data, headers=OPERATOR)
    assert answer.status_code == 202, answer.text
    return ledger.job(answer.json()["id"]).request


def test_what_the_hook_said_counts_for_the_bytes_that_follow(api: TestClient, ledger: Ledger) -> None:
    assert hook(api, follows(**SAID)) == (204, b"")
    made = put(api, ledger)
    assert made.context == Context(role="decorative", title="Cats", contains_text=False)
    assert (made.locales, made.fields, made.profile, made.lane) == (("de", "fr"), ("alt_text",), "news", "backfill")
    assert made.metadata == {"post": "88"}


def test_what_the_request_with_the_bytes_says_itself_comes_first(api: TestClient, ledger: Ledger) -> None:
    assert hook(api, follows(**SAID)) == (204, b"")
    made = put(api, ledger, "&role=link&locale=pt_BR&metadata=page=1&profile=travel&lane=upload")
    assert made.context == Context(role="link", title="Cats", contains_text=False)
    assert (made.locales, made.fields, made.profile, made.lane) == (("pt-BR",), ("alt_text",), "travel", "upload")
    assert made.metadata == {"page": "1"}


def test_words_of_another_version_do_not_count(api: TestClient, ledger: Ledger) -> None:
    assert hook(api, follows("3", **SAID)) == (204, b"")
    assert put(api, ledger, "&revision=4").context == Context()
    assert put(api, ledger, "&revision=3").context.role == "decorative"
    assert put(api, ledger, data=b"other bytes").context.role == "decorative"


def test_a_late_copy_of_an_older_hook_changes_nothing(api: TestClient, ledger: Ledger) -> None:
    for revision, role in (("9", "link"), ("10", "logo"), ("9", "link")):
        assert hook(api, follows(revision, context={"role": role})) == (204, b"")
    assert put(api, ledger).context.role == "logo"
    assert hook(api, follows("11")) == (204, b"")
    assert put(api, ledger, data=b"new bytes").context == Context(), "the newest hook said nothing"


def test_a_hook_between_two_copies_of_a_request_does_not_make_them_differ(api: TestClient) -> None:
    send = {"content": b"the bytes", "headers": {**OPERATOR, "Idempotency-Key": "once"}}
    first = api.put("/v1/assets/4711/image?site=blog", **send)
    assert hook(api, follows(**SAID)) == (204, b"")
    assert api.put("/v1/assets/4711/image?site=blog", **send).json() == first.json()


def test_a_profile_that_does_not_exist_is_told_to_the_hook(api: TestClient) -> None:
    status, problem = hook(api, follows(profile="nowhere"))
    assert (status, problem["code"]) == (422, "unknown_profile")


def test_words_that_another_version_stored_do_not_cost_the_picture(api: TestClient, ledger: Ledger) -> None:
    ledger.keep_hook_words("blog", ImageFollows(asset_id="4711", words={"context": {"role": "hero"}, "locales": ["de"]}))
    assert put(api, ledger).context == Context()


def test_a_deleted_picture_takes_the_words_of_its_hook_with_it(api: TestClient, ledger: Ledger) -> None:
    assert hook(api, follows(**SAID)) == (204, b"")
    assert hook(api, {"type": "asset.deleted", "data": {"asset": {"id": "4711"}}}) == (204, b"")
    assert put(api, ledger).context == Context()


def test_a_picture_whose_bytes_follow_makes_its_job_when_they_come(api: TestClient) -> None:
    message = {"type": "asset.created", "data": {"asset": {"id": "4711", "image": {"send": True}}}}
    assert hook(api, message) == (204, b"")
    assert api.get("/v1/jobs?asset=4711", headers=OPERATOR).json()["data"] == []
