"""One table of requests for every entrance (hook, API, multipart). All accept or refuse the same, and make the same job."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from tagger.api.app import create_app
from tagger.cli.main import app as cli
from tagger.job import JobRequest
from tagger.keys import hash_key
from tagger.ledger import Ledger, open_ledger
from tagger.locales import parse
from tagger.net import signing
from tagger.settings import Settings
from tagger.site import Site

SECRET = signing.new_secret()
KEY = {"Authorization": "Bearer key"}
PIXELS = b"\x89PNG not really"
URL = "https://cms.example/a.jpg"


@dataclass(frozen=True, kw_only=True)
class Door:
    """A running API, its ledger, and the ways in."""

    api: TestClient
    ledger: Ledger

    def json(self, asset: dict[str, Any], rest: dict[str, Any]) -> httpx.Response:
        return self.api.post("/v1/jobs", json={"asset": {"image": {"url": URL}, **asset}, **rest}, headers=KEY)

    def describe(self, asset: dict[str, Any], rest: dict[str, Any]) -> httpx.Response:
        body = {"asset": {"image": {"url": URL}, **asset}, **rest}
        return self.api.post("/v1/describe?wait=0.01", json=body, headers=KEY)

    def multipart(self, asset: dict[str, Any], rest: dict[str, Any]) -> httpx.Response:
        parts = {"image": ("a.png", PIXELS), "job": (None, json.dumps({"asset": asset, **rest}))}
        return self.api.post("/v1/jobs", files=parts, headers=KEY)

    def put(self, asset: dict[str, Any], rest: dict[str, Any]) -> httpx.Response:
        context = rest.get("context") or {}
        query = {"revision": asset.get("revision"), "profile": rest.get("profile"), "lane": rest.get("lane"), **context}
        pairs = [(key, str(value).lower() if value is True else value) for key, value in query.items() if value is not None]
        pairs += [("locale", locale) for locale in rest.get("locales") or ()]
        pairs += [("field", field) for field in rest.get("fields") or ()]
        pairs += [("metadata", f"{key}={value}") for key, value in (rest.get("metadata") or {}).items()]
        return self.api.put(f"/v1/assets/{quote(str(asset['id']))}/image?{urlencode(pairs)}", content=PIXELS, headers=KEY)

    def hook(self, asset: dict[str, Any], rest: dict[str, Any]) -> httpx.Response:
        body = json.dumps({"type": "asset.created", "data": {"asset": {"image": {"url": URL}, **asset}, **rest}}).encode()
        return self.api.post("/v1/hooks/mine", content=body, headers=signing.sign([SECRET], "evt_1", int(time.time()), body))

    def request(self, answer: httpx.Response) -> JobRequest:
        assert answer.status_code == 202, answer.text
        return self.ledger.job(answer.json()["id"]).request


ENTRANCES = ("json", "multipart", "put", "hook", "describe")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, broker_url=f"redis+socket://{home}/none.sock", compat_site="mine", admin_key="operator")
    ledger = open_ledger(settings.ledger)
    ledger.migrate()
    ledger.put_site(Site(id="mine", name="Mine", locales=("en", "de"), hook_secrets=(SECRET,)))
    ledger.add_key("mine", "test", hash_key("key"))
    with TestClient(create_app(settings)) as client:
        yield Door(api=client, ledger=ledger)
    ledger.close()


A = {"id": "4711"}
MANY = {f"k{n}": "v" for n in range(20)}
TAKEN: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("the least", A, {}, {"asset_id": "4711", "asset_revision": None, "locales": ("en", "de"), "profile": "general"}),
    ("numbers as ids", {"id": 4711, "revision": 3}, {}, {"asset_id": "4711", "asset_revision": "3"}),
    ("a long id", {"id": "i" * 512, "revision": "r" * 256}, {}, {"asset_id": "i" * 512, "asset_revision": "r" * 256}),
    ("an empty revision", {**A, "revision": ""}, {}, {"asset_revision": None}),
    ("nulls", {**A, "revision": None}, dict.fromkeys(("context", "metadata", "fields", "locales", "profile", "lane")),
     {"metadata": {}, "fields": ("alt_text", "caption", "tags"), "lane": "upload"}),
    ("empty objects of PHP", A, {"context": [], "metadata": []}, {"metadata": {}, "role": "unknown"}),
    ("nulls in the context", A, {"context": dict.fromkeys(("role", "title", "caption", "contains_text"))}, {"role": "unknown"}),
    ("empty texts", A, {"context": {"title": "", "caption": ""}, "metadata": {"post": ""}},
     {"title": None, "caption": None, "metadata": {"post": ""}}),
    ("a caption of 2001", A, {"context": {"caption": "c" * 2001}}, {"caption": "c" * 2001}),
    ("a context too long", A, {"context": {"title": "猫" * 1001, "caption": "c" * 5001}},
     {"title": "猫" * 1000, "caption": "c" * 5000}),
    ("much metadata", A, {"metadata": {**MANY, "k0": "v" * 2000}}, {"metadata": {**MANY, "k0": "v" * 2000}}),
    ("a long key", A, {"metadata": {"k" * 255: "v"}}, {"metadata": {"k" * 255: "v"}}),
    ("a locale of WordPress", A, {"locales": ["pt_BR", "zh-hans", "PT-br"]}, {"locales": ("pt-BR", "zh-Hans")}),
    ("fields twice", A, {"fields": ["tags", "tags"]}, {"fields": ("tags",)}),
    ("all of the context", A, {"context": {"role": "link", "title": "T", "caption": "C", "contains_text": True}},
     {"role": "link", "title": "T", "caption": "C", "contains_text": True}),
    ("a profile", A, {"profile": "news"}, {"profile": "news"}),
    ("the lane of a backfill", A, {"lane": "backfill"}, {"lane": "backfill"}),
]  # fmt: skip
REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("an id too long", {"id": "i" * 513}, {}, "/asset/id"),
    ("a revision too long", {**A, "revision": "r" * 257}, {}, "/asset/revision"),
    ("a role", A, {"context": {"role": "hero"}}, "/context/role"),
    ("a language by its name", A, {"locales": ["english"]}, "/locales/0"),
    ("no locale", A, {"locales": ["no such"]}, "/locales/0"),
    ("a field", A, {"fields": ["mood"]}, "/fields/0"),
    ("a lane", A, {"lane": "solo"}, "/lane"),
    ("too much metadata", A, {"metadata": {**MANY, "k20": "v"}}, "/metadata"),
    ("metadata too long", A, {"metadata": {"k": "v" * 2001}}, "/metadata/k"),
    ("a NUL in the title", A, {"context": {"title": "a\x00b"}}, "/context/title"),
]
QUERY = {"/asset/id": "/asset_id", "/asset/revision": "/revision", "/locales/0": "/locale/0", "/fields/0": "/field/0"}


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize(("asset", "rest", "wanted"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_what_one_entrance_takes_all_take(
    door: Door, entrance: str, asset: dict[str, Any], rest: dict[str, Any], wanted: dict[str, Any], request: Any
) -> None:
    asset = {**asset, "id": asset["id"] if asset["id"] != "4711" else f"{request.node.callspec.id}"[:60]}  # a job of its own
    made = door.request(getattr(door, entrance)(asset, rest))
    found = {**vars(made), **vars(made.context)}
    wanted = {**wanted, **({"asset_id": asset["id"]} if wanted.get("asset_id") == "4711" and asset["id"] != 4711 else {})}
    if entrance == "describe":
        wanted = {**wanted, **({"lane": "upload"} if "lane" in wanted else {})}  # somebody waits
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize(("asset", "rest", "pointer"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_one_entrance_refuses_all_refuse(
    door: Door, entrance: str, asset: dict[str, Any], rest: dict[str, Any], pointer: str
) -> None:
    answer = getattr(door, entrance)(asset, rest)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request"), answer.text
    if entrance == "put":
        pointer = QUERY.get(pointer, pointer.replace("/context", ""))
    found = answer.json()["errors"][0]["pointer"] if answer.json()["errors"] else pointer  # a NUL in an address has no pointer
    assert found == ("/data" + pointer if entrance == "hook" else pointer)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_an_unknown_profile_is_refused_by_its_own_code(door: Door, entrance: str) -> None:
    answer = getattr(door, entrance)(A, {"profile": "jewellery"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_profile")


BAD_URLS = ["file:///etc/passwd", "http://[", "http://h.example:port/", "http://h.example:99999/", "http://a b/", "/a.jpg",
            "http://u:p@h.example/", "http://h.example\\@evil.example/", "//h.example/a.jpg", "http:a.jpg"]  # fmt: skip
GOOD_URLS = ["https://h.example/my cat.jpg?a=b c", "https://h.example/süß.jpg", " https://h.example/a.jpg\n", "HTTP://h.example",
             "https://h.example/%7E%2f?+&=/../"]  # fmt: skip


@pytest.mark.parametrize("url", [*BAD_URLS, *GOOD_URLS])
def test_a_url_is_taken_by_all_or_refused_by_all(door: Door, url: str) -> None:
    asset = {"id": url, "image": {"url": url}}
    answers = {name: getattr(door, name)(asset, {}) for name in ("json", "hook", "describe")}
    check = {"text": "a cat", "image": {"url": url}}
    answers["entailment"] = door.api.post("/v1/entailment?wait=0.01", json=check, headers=KEY)
    if url in BAD_URLS:
        pointers = {name: answer.json()["errors"][0]["pointer"] for name, answer in answers.items()}
        asset_url = "/asset/image/url"
        assert pointers == {"json": asset_url, "hook": "/data" + asset_url, "describe": asset_url, "entailment": "/image/url"}
    assert {answer.status_code for answer in answers.values()} <= ({422} if url in BAD_URLS else {202, 501})
    if url in GOOD_URLS:
        assert door.request(answers["json"]).source.location == url, "a signature may cover each character"


B64 = base64.b64encode(PIXELS * 30).decode()
LINES = "\n".join(B64[at : at + 76] for at in range(0, len(B64), 76))


@pytest.mark.parametrize(
    "text",
    [B64, LINES, LINES.replace("\n", "\r\n") + "\r\n", "data:image/png;base64," + B64, "data:image/png;base64," + LINES,
     "DATA:image/png;charset=utf-8;BASE64,\n" + B64, " " + B64, B64.rstrip("="), B64.replace("+", "-").replace("/", "_")],
)  # fmt: skip
def test_base64_is_taken_in_every_wrapping(door: Door, text: str) -> None:
    asset = {"id": text[:20] + str(len(text)), "image": {"base64": text}}
    for answer in (door.json(asset, {}), door.describe(asset, {})):
        made = door.request(answer)
        assert made.source.sha256 == hashlib.sha256(PIXELS * 30).hexdigest()


@pytest.mark.parametrize("text", ["", "!", "a b!", "data:image/png,abc", "data:;base64,", "é", "AAAAA", "data:image/png;base64"])
def test_what_is_no_base64_is_refused(door: Door, text: str) -> None:
    answer = door.json({"id": "a", "image": {"base64": text}}, {})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/asset/image/base64")


@pytest.mark.parametrize(
    ("given", "plain"),
    [("en", "en"), ("EN", "en"), ("pt_BR", "pt-BR"), ("pt-br", "pt-BR"), ("zh_hans", "zh-Hans"), ("zh-Hant-tw", "zh-Hant-TW"),
     ("de_DE_formal", "de-DE-formal"), ("es-419", "es-419"), (" fr ", "fr"), ("no", "no"), ("haw", "haw")],
)  # fmt: skip
def test_one_parser_reads_a_locale(given: str, plain: str) -> None:
    assert parse(given) == plain == parse(plain)


@pytest.mark.parametrize(
    "given", ["english", "", "e", "en-", "-en", "en--US", "en US", "português", "x" * 40, "en\n\nde", "１２"]
)
def test_what_is_no_locale_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="language tag"):
        parse(given)


@pytest.mark.parametrize("given", ["pt_BR", "english"])
def test_the_command_line_and_sites_read_locales_as_the_api_does(door: Door, given: str, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(PIXELS)
    home = ["--home", str(tmp_path / "home")]
    commands = {
        "add": ["sites", "add", "wp", "--locale", given],
        "set": ["sites", "set", "wp", "--locale", given],
        "describe": ["describe", str(tmp_path / "pictures"), "--out", str(tmp_path / "no" / "out.csv"), "--locale", given],
        "vocabulary": ["vocabulary", "show", "general", "--locale", given],
    }
    added = CliRunner().invoke(cli, [*home, *commands["add"]])
    if given == "pt_BR":
        assert added.exit_code == 0, added.output
        for command in ("set", "vocabulary"):
            assert CliRunner().invoke(cli, [*home, *commands[command]]).exit_code == 0
        shown = CliRunner().invoke(cli, [*home, "sites", "show", "wp"])
        assert json.loads(shown.output)["locales"] == ["pt-BR"]
    else:
        assert added.exit_code != 0
        CliRunner().invoke(cli, [*home, "sites", "add", "wp"])
        for command in ("set", "vocabulary"):
            refused = CliRunner().invoke(cli, [*home, *commands[command]])
            assert refused.exit_code != 0
            assert "language tag" in refused.output + str(refused.exception)


@pytest.mark.parametrize("part", ["image", "job"])
def test_a_part_that_comes_twice_is_refused(door: Door, part: str) -> None:
    """Else one of two images would be described, and nobody would know which."""
    job = json.dumps({"asset": {"id": "twice"}})
    parts = [("image", ("a.png", PIXELS)), ("job", (None, job)), (part, ("b.png", PIXELS) if part == "image" else (None, job))]
    answer = door.api.post("/v1/jobs", files=parts, headers=KEY)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{part}")
    assert "more than one part" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x"}, "is a form"),
        ({"Content-Range": "bytes 0-9/100"}, "a part of a file"),
    ],
    ids=["a form", "a part"],
)
def test_raw_bytes_are_one_whole_file(door: Door, headers: dict[str, str], why: str) -> None:
    answer = door.api.put("/v1/assets/whole/image", content=PIXELS, headers={**KEY, **headers})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
    assert why in answer.json()["detail"]
    assert door.ledger.jobs(asset_id="whole").data == []
