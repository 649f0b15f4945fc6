"""Query parameters that the API does not know: it refuses them, and neither guesses nor ignores them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from tagger.api.app import create_app
from tagger.cms.job_body import JobIn, pointers
from tagger.ledger import open_ledger
from tagger.settings import Settings
from tagger.system.home import make_home


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    home = tmp_path_factory.mktemp("api") / "home"
    make_home(home)
    settings = Settings(home=home, admin_key="operator")
    ledger = open_ledger(settings.ledger)
    ledger.migrate()
    ledger.close()
    with TestClient(create_app(settings), headers={"Authorization": "Bearer operator"}) as client:
        yield client


@pytest.mark.parametrize("query", ["stauts=dead", "backfill=x", "status=dead&verdcit=review"])
def test_a_filter_that_there_is_none_of_is_refused(api: TestClient, query: str) -> None:
    """A misspelt one would list everything."""
    answer = api.get(f"/v1/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
    assert answer.json()["errors"] == [{"pointer": "/" + query.split("&")[-1].split("=")[0], "detail": "no such parameter"}]
    assert "status" in answer.json()["remedy"]


@pytest.mark.parametrize("path", ["/v1/dead-letters/replay", "/v1/deliveries/replay"])
def test_a_replay_does_not_pass_over_its_query(api: TestClient, path: str) -> None:
    """It would send everything anew."""
    answer = api.post(f"{path}?reason=image_unreadable", json={"since": "2026-11-21T09:30:00Z"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/reason")


def test_known_filters_and_probes_answer_as_before(api: TestClient) -> None:
    assert api.get("/v1/jobs?status=dead&limit=3&cursor=job_01M8PMTWN4GAART8B49Q5CX4F3").status_code == 200
    assert api.get("/healthz?nocache=1").status_code == 200


@pytest.mark.parametrize("query", ["reason=image_unreadabel", "reason=nosuch"])
def test_dead_letters_of_a_reason_that_there_is_none_of(api: TestClient, query: str) -> None:
    """As the command line says."""
    answer = api.get(f"/v1/dead-letters?{query}")
    assert (answer.status_code, "is not an error code" in answer.json()["detail"]) == (422, True)
    body = dict([query.split("=")])
    assert api.post("/v1/dead-letters/replay", json=body).status_code == 422
    assert api.post("/v1/deliveries/replay", json=body).status_code == 422


def test_an_error_names_no_part_of_the_program() -> None:
    job = {"asset": {"id": "a", "image": {"url": "ftp://cms.example/a.jpg"}}}
    with pytest.raises(ValidationError) as refused:
        JobIn.model_validate(job)
    [pointer] = pointers(refused.value)
    assert pointer.detail == "Only http and https URLs are fetched."


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json", "/v1/jobs"])
def test_head_answers_as_get_without_a_body(api: TestClient, path: str) -> None:
    """Monitors ask so."""
    head, get = api.head(path), api.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/jobs", "GET, POST"),
        ("GET", "/v1/hooks/blog", "POST"),
        ("PUT", "/healthz", "GET"),
        ("GET", "/v1/describe", "POST"),
    ],
)
def test_a_method_that_is_not_there_is_told_which_are(api: TestClient, method: str, path: str, allow: str) -> None:
    answer = api.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("query", ["status=dead&status=done", "limit=1&limit=1", "site=a&status=dead&site=b"])
def test_a_filter_that_takes_one_value_is_not_given_two(api: TestClient, query: str) -> None:
    """Only the last one would count, and nobody would know."""
    answer = api.get(f"/v1/jobs?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["detail"]) == (422, "given more than once")
    assert answer.json()["errors"][0]["pointer"] == "/" + query.split("=")[0]


def test_a_parameter_that_is_a_list_may_be_repeated(api: TestClient) -> None:
    path = "/v1/assets/a/image?locale=en&locale=de&metadata=a=1&metadata=b=2&profile=general"
    answer = api.put(path, content=b"x", headers={"Content-Type": "image/jpeg"})
    assert "more than once" not in answer.text
    answer = api.put(path + "&profile=news", content=b"x", headers={"Content-Type": "image/jpeg"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/profile")
