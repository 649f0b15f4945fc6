"""The same bytes for every entrance: byte order marks, bytes that are not UTF-8, unknown parameters."""

# ruff: noqa: F811 (pytest hands the imported fixture to each test under its own name)
from __future__ import annotations

import base64
import gzip
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from typer.testing import CliRunner

from integration.api.test_entrances import KEY, PIXELS, SECRET, URL, Door, door  # noqa: F401
from tagger.api.routes.jobs import PUT_QUERY
from tagger.api.synchronous import loaded
from tagger.cli.main import app as cli
from tagger.net import signing
from tagger.net.addresses import AllowedHost

OPERATOR = {"Authorization": "Bearer operator"}


def sent(door: Door, body: dict[str, Any], encoding: str) -> dict[str, httpx.Response]:
    """The body through each entrance that reads JSON, in that encoding."""
    content = json.dumps(body, ensure_ascii=False).encode(encoding)
    hook = json.dumps({"type": "asset.created", "data": body}, ensure_ascii=False).encode(encoding)
    part = json.dumps({"asset": {"id": body["asset"]["id"]}, "context": body["context"]}, ensure_ascii=False).encode(encoding)
    check = json.dumps({"text": "A cafe.", "image": {"url": URL}}).encode(encoding)
    signed = signing.sign([SECRET], "evt_wire", int(time.time()), hook)
    api = door.api
    return {
        "json": api.post("/v1/jobs", content=content, headers=KEY),
        "describe": api.post("/v1/describe?wait=0.01", content=content, headers=KEY),
        "hook": api.post("/v1/hooks/mine", content=hook, headers=signed),
        "multipart": api.post("/v1/jobs", files={"image": ("a.png", PIXELS), "job": (None, part)}, headers=KEY),
        "multipart, job as a file": api.post(
            "/v1/jobs", files={"image": ("a.png", PIXELS), "job": ("blob", part, "application/json")}, headers=KEY
        ),
        "entailment": api.post("/v1/entailment?wait=0.01", content=check, headers=KEY),
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_passed_over_by_all(door: Door, encoding: str) -> None:
    answers = sent(door, {"asset": {"id": "bom", "image": {"url": URL}}, "context": {"title": "Café"}}, encoding)
    read = {name: answer for name, answer in answers.items() if name != "entailment"}
    assert {name: door.request(answer).context.title for name, answer in read.items()} == dict.fromkeys(read, "Café")
    assert answers["entailment"].json()["code"] == "check_unavailable", "read, and no model is there"
    assert loaded('{"image": "é"}'.encode(encoding)) == {"image": "é"}, "so do the old routes"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_json_that_is_not_utf_8_is_refused_by_all(door: Door, encoding: str) -> None:
    answers = sent(door, {"asset": {"id": "wide", "image": {"url": URL}}, "context": {"title": "Café"}}, encoding)
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 422)
    assert loaded('{"image": "é"}'.encode(encoding)) is None, "nor do the old routes read it"


def test_two_ids_that_are_no_utf_8_are_refused_and_not_taken_for_one(door: Door) -> None:
    for path in ("/v1/assets/caf%e9/image", "/v1/assets/caf%e8/image", "/v1/assets/a/image?title=caf%e9", "/v1/jobs?asset=%ff"):
        answer = door.api.request("GET" if "jobs" in path else "PUT", path, content=PIXELS, headers=KEY)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_request"), path
        assert "UTF-8" in answer.json()["detail"]
    answer = door.api.put("/v1/assets/caf%C3%A9/image?title=%E7%8C%AB+1", content=PIXELS, headers=KEY)
    assert (door.request(answer).asset_id, door.request(answer).context.title) == ("café", "猫 1")


@pytest.mark.parametrize(
    ("method", "path", "pointer"),
    [
        ("PUT", "/v1/assets/q/image?locales=de", "/locales"),
        ("PUT", "/v1/assets/q/image?fields=tags", "/fields"),
        ("PUT", "/v1/assets/q/image?metadata%5Bpost%5D=88", "/metadata[post]"),
        ("POST", "/v1/jobs?lane=backfill", "/lane"),
        ("POST", "/v1/describe?waits=1", "/waits"),
        ("POST", "/v1/entailment?profile=news", "/profile"),
    ],
)
def test_a_parameter_that_nobody_knows_is_refused_as_an_unknown_key_is(
    door: Door,
    method: str,
    path: str,
    pointer: str,
) -> None:
    body = {"asset": {"id": "q", "image": {"url": URL}}} if "entail" not in path else {"text": "A cat.", "image": {"url": URL}}
    content = PIXELS if method == "PUT" else json.dumps(body).encode()
    answer = door.api.request(method, path, content=content, headers=KEY)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("metadata=post=88&metadata=page=1&metadata=post=89", "/metadata/post"),
        ("metadata=post", "/metadata/post"),
        ("metadata=a/b=1&metadata=a/b=1", "/metadata/a~1b"),
    ],
    ids=["twice", "no value", "the same twice"],
)
def test_metadata_of_which_a_part_would_be_lost_is_refused(door: Door, query: str, pointer: str) -> None:
    answer = door.api.put(f"/v1/assets/q/image?{query}", content=PIXELS, headers=KEY)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_an_image_that_comes_as_a_part_and_by_url_is_one_too_many(door: Door) -> None:
    job = json.dumps({"asset": {"id": "two", "image": {"url": URL}}})
    answer = door.api.post("/v1/jobs", files={"image": ("a.png", PIXELS), "job": (None, job)}, headers=KEY)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/asset/image")


@pytest.mark.parametrize("entrance", ["json", "multipart", "hook", "describe"])
def test_null_in_metadata_is_not_given(door: Door, entrance: str) -> None:
    made = door.request(getattr(door, entrance)({"id": f"null-{entrance}"}, {"metadata": {"post": None, "page": "7"}}))
    assert made.metadata == {"page": "7"}


def test_a_compressed_body_is_refused_and_not_taken_for_the_picture(door: Door) -> None:
    packed = {**KEY, "Content-Encoding": "gzip"}
    for answer in (
        door.api.put("/v1/assets/gz/image", content=gzip.compress(PIXELS), headers=packed),
        door.api.post("/v1/jobs", content=gzip.compress(b"{}"), headers=packed),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
        assert "gzip" in answer.json()["detail"]
    assert door.api.put("/v1/assets/gz/image", content=PIXELS, headers={**KEY, "Content-Encoding": "UTF-8"}).status_code == 202


def site(door: Door, **body: Any) -> httpx.Response:
    return door.api.post("/v1/sites", json={"id": "new", "name": "New", **body}, headers=OPERATOR)


@pytest.mark.parametrize(
    ("body", "options", "pointer"),
    [
        ({"endpoint": {"url": "http://127.0.0.1:1/x"}}, ["--endpoint", "http://127.0.0.1:1/x"], "/endpoint/url"),
        ({"endpoint": {"url": "http://localhost/x"}}, ["--endpoint", "http://localhost/x"], "/endpoint/url"),
        ({"endpoint": {"url": "http://169.254.169.254/", "allow_private": True}},
         ["--endpoint", "http://169.254.169.254/", "--allow-private"], "/endpoint/url"),
        ({"allowed_hosts": ["*.lan"]}, ["--allow-host", "*.lan"], "/allowed_hosts/0"),
        ({"allowed_hosts": ["a b"]}, ["--allow-host", "a b"], "/allowed_hosts/0"),
        ({"vocabulary": "nope"}, None, "/vocabulary"),
    ],
)  # fmt: skip
def test_what_the_command_line_refuses_of_a_site_the_api_refuses(
    door: Door,
    body: dict[str, Any],
    options: list[str] | None,
    pointer: str,
    tmp_path: Path,
) -> None:
    answer = site(door, **body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text
    if options is not None:
        assert CliRunner().invoke(cli, ["--home", str(tmp_path), "sites", "add", "new", *options]).exit_code != 0


@pytest.mark.parametrize(
    ("entry", "host", "port"),
    [("bücher.lan", "xn--bcher-kva.lan", 80), ("BÜCHER.lan:8080", "xn--bcher-kva.lan", 8080), ("[0:0::1]:81", "::1", 81)],
)
def test_an_allowed_host_is_read_as_the_host_of_a_url_is(entry: str, host: str, port: int) -> None:
    assert AllowedHost.parse(entry).covers(host, port)


def test_an_image_that_is_too_large_has_one_code(door: Door) -> None:
    limit = 33_554_432
    data = bytes(limit + 1)
    body = json.dumps({"asset": {"id": "big", "image": {"base64": base64.b64encode(data).decode()}}})
    answers = [
        door.api.post("/v1/jobs", content=body, headers=KEY),
        door.api.put("/v1/assets/big/image", content=data, headers=KEY),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(413, "body_too_large")}


def test_every_parameter_of_an_upload_is_a_known_one(door: Door) -> None:
    told = door.api.get("/openapi.json").json()["paths"]["/v1/assets/{asset_id}/image"]["put"]["parameters"]
    assert {parameter["name"] for parameter in told if parameter["in"] == "query"} == {*PUT_QUERY, "site"}


@pytest.mark.parametrize("asset", ["a\nb", "folder/a\n", "\r\n", "../a", "a//b"])
def test_every_entrance_takes_every_id(door: Door, asset: str) -> None:
    answers = [door.json({"id": asset}, {}), door.hook({"id": asset}, {})]
    answers.append(door.api.put(f"/v1/assets/{quote(asset, safe='')}/image", content=PIXELS, headers=KEY))
    assert [door.request(answer).asset_id for answer in answers] == [asset] * 3


def test_a_redirect_names_neither_scheme_nor_host(door: Door) -> None:
    """A caller behind a proxy that ends TLS would send its key again in clear text."""
    headers = {**KEY, "Host": "evil.example"}
    answer = door.api.get("/v1/jobs/?status=done", headers=headers, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/v1/jobs?status=done")
