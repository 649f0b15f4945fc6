"""Publicly reported bugs of other programs, which tagger had too: one case per row of tests/data/bugs/README.md."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image, IptcImagePlugin

from acceptance.house import called, told
from acceptance.reported import DATA, World
from acceptance.reported_files import descriptions, frames, sizes, terms
from tagger.api.app import create_app
from tagger.net import signing
from tagger.settings import load

Case = Callable[[World], None]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    def keep(test: Case) -> Case:
        CASES[name] = test
        return test

    return keep


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("bugs"), lambda: request.getfixturevalue("house"))  # most cases need no stack
    yield made
    made.close()


# --- pictures, by one `tagger describe` over a folder that has all of them ---


@case("iptc-caption-embed")
def _(world: World) -> None:
    for name in ("iptc.jpg", "exif.jpg"):
        world.described.done(name)
    with Image.open(DATA / "iptc.jpg") as before, Image.open(world.described.copies / "iptc.jpg") as after:
        theirs, ours = IptcImagePlugin.getiptcinfo(before), IptcImagePlugin.getiptcinfo(after)
        assert theirs is not None
        assert ours is not None
        assert ours[2, 120] == theirs[2, 120], "the caption"
        assert ours[2, 25] == theirs[2, 25], "the keywords"
        assert descriptions(after) <= {theirs[2, 120].decode()}, "nothing hides the photographer's caption"
    with Image.open(DATA / "exif.jpg") as before, Image.open(world.described.copies / "exif.jpg") as after:
        assert after.getexif()[270] == before.getexif()[270]
        assert descriptions(after) <= {before.getexif()[270]}
    assert "texts that stayed in the files: " in world.described.run.stdout


@case("mpo-xmp-after")
def _(world: World) -> None:
    world.described.done("phone.jpg")
    copy = world.described.copies / "phone.jpg"
    if not copy.exists():
        assert "phone.jpg" in world.described.run.stderr, "refused by name"
        return
    assert frames(copy) == frames(DATA / "phone.jpg")
    assert sizes(DATA / "phone.jpg") == (DATA / "phone.jpg").stat().st_size
    assert sizes(copy) == copy.stat().st_size


@case("white-on-transparent")
def _(world: World) -> None:
    assert world.described.done("logo-white.png")["alt_text"] is None
    assert world.described.done("logo-black.png")["alt_text"] != "", "no picture for decoration"


@case("appledouble")
def _(world: World) -> None:
    world.described.done("appledouble/cup.jpg")
    assert not [name for name in world.described.rows if "._" in name]


@case("eadir")
def _(world: World) -> None:
    world.described.done("eadir/cup.jpg")
    assert not [name for name in world.described.rows if "@eaDir" in name]


@case("jfif")
def _(world: World) -> None:
    for name in ("a.jpg", "b.jfif", "c.jpe", "d.hif"):
        world.described.done(f"jfif/{name}")


@case("latin1-name")
def _(world: World) -> None:
    world.described.done("latin1/ok.jpg")
    assert re.search(r"No\S+l\.jpg", last_line(world)), "what is left out is named"


@case("symlink-album")
def _(world: World) -> None:
    if "linked/album/b.jpg" in world.described.rows:
        world.described.done("linked/album/b.jpg")
    else:
        assert "linked/album" in last_line(world)
    assert len([name for name in world.described.rows if name.startswith("linked/")]) <= 1, "no circles"


def last_line(world: World) -> str:
    return world.described.run.stdout.strip().splitlines()[-1]


# --- fetching and delivering, by the shared stack ---


@case("redirects")
def _(world: World) -> None:
    cup = hashlib.sha256(world.server.picture).hexdigest()
    for path in ("/redir-utf8", "/redir-space"):
        job = world.ended(path, {"url": world.server.url(path)})
        assert (job["status"], job["asset"]["sha256"]) == ("done", cup), job["error"]


@case("content-encoding")
def _(world: World) -> None:
    for path in ("/enc/aws", "/enc/utf8", "/enc/gzaws"):
        job = world.ended(path, {"url": world.server.url(path)})
        assert job["status"] == "done", job["error"]
    refused = world.ended("/enc/br", {"url": world.server.url("/enc/br")})
    assert refused["status"] == "dead"
    assert "encoding" in refused["error"]["code"], "a code of its own"


@case("answer-gzip")
def _(world: World) -> None:
    job = world.ended("gzip", in_base64(world.server.picture), fields=["alt_text"])
    assert [one["outcome"] for one in job["annotations"] if one["field"] == "alt_text"] == ["written"]
    (first,) = messages(world, "gzip")
    written = first["data"]["fields"]["alt_text"]["en"]["value"]
    world.ended("gzip", in_base64((DATA / "browser.jfif").read_bytes()), fields=["alt_text"])
    second = messages(world, "gzip")[-1]
    ours = "sha256:" + hashlib.sha256(written.encode()).hexdigest()
    assert second["data"]["fields"]["alt_text"]["en"]["if_current"]["in"] == [None, ours], "our own words may be replaced"


def messages(world: World, asset: str) -> list[dict[str, Any]]:
    return [message for message in world.server.messages if message["data"]["asset"]["id"] == asset]


# --- what callers send ---


@case("truncated")
def _(world: World) -> None:
    whole = (DATA / "minus2.jpg").read_bytes()
    for name, data in {"minus2": whole, "minus8": whole[:-6]}.items():
        job = world.ended(name, in_base64(data))
        assert (job["status"], job["error"]) == ("done", None)
        assert any("ends early" in warning for warning in job["warnings"])
    half = world.ended("half", in_base64(whole[: len(whole) // 2]))
    assert (half["status"], half["error"]["code"]) == ("dead", "image_unreadable")


def in_base64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


@case("base64-wrapped")
def _(world: World) -> None:
    cup = world.server.picture
    lines = base64.encodebytes(cup).decode()
    for name, text in {"lines": lines, "crlf": lines.replace("\n", "\r\n"), "data": f"data:image/jpeg;base64,{lines}"}.items():
        job = world.accepted(world.post(f"base64-{name}", {"base64": text}))
        assert job.source.sha256 == hashlib.sha256(cup).hexdigest()


@case("hook-caption-2001")
def _(world: World) -> None:
    for length in (2001, 100_000):
        wanted = {"asset": {"id": f"caption-{length}", "image": {"url": "https://cms.example/cup.jpg"}}}
        more = {"context": {"caption": "c" * length}, "metadata": {"post": ""}}
        body = json.dumps({"type": "asset.created", "data": {**wanted, **more}}).encode()
        headers = signing.sign([world.secret], f"evt_{length}", int(time.time()), body)
        by_hook = world.accepted(world.api.post("/v1/hooks/bugs", content=body, headers=headers))
        by_api = world.accepted(world.api.post("/v1/jobs", json={**wanted, **more}, headers=world.bearer))
        assert by_hook.context == by_api.context, "one rule for both"
        assert by_hook.context.caption is not None
        assert 1990 < len(by_hook.context.caption) < 10_000, "cut where it is too long"


@case("locale-underscore")
def _(world: World) -> None:
    cup, home = {"url": "https://cms.example/cup.jpg"}, world.folder / "home"
    told("sites", "add", "wp", "--locale", "pt_BR", home=home)
    assert told("sites", "show", "wp", home=home)["locales"] == ["pt-BR"]
    assert world.accepted(world.post("pt", cup, locales=["pt_BR"])).locales == ("pt-BR",)
    raw = world.api.put("/v1/assets/pt-raw/image?locale=pt_BR", content=world.server.picture, headers=world.bearer)
    assert world.accepted(raw).locales == ("pt-BR",)
    assert world.post("english", cup, locales=["english"]).status_code == 422
    raw = world.api.put("/v1/assets/english/image?locale=english", content=world.server.picture, headers=world.bearer)
    assert raw.status_code == 422
    refused = [
        called("sites", "add", "en", "--locale", "english", home=home),
        called("sites", "set", "wp", "--locale", "english", home=home),
        called("describe", str(DATA), "--out", str(world.folder / "en.csv"), "--locale", "english", home=home),
    ]
    for done in refused:
        assert done.returncode != 0
        assert "english" in done.stderr


@case("secret-newline")
def _(world: World) -> None:
    app = create_app(load({"TAGGER_ADMIN_KEY": "key-of-the-operator\n"}, home=world.folder / "newline"))
    with TestClient(app) as api:
        assert api.get("/v1/jobs", headers={"Authorization": "Bearer key-of-the-operator"}).status_code == 200
        assert api.get("/v1/jobs", headers={"Authorization": "Bearer another"}).status_code == 401


# --- tables and vocabularies ---


@case("semicolon-csv")
def _(world: World) -> None:
    out, labels = world.folder / "evaluated", str(DATA / "labels.csv")
    done = called("evaluate", "--images", str(DATA), "--labels", labels, "--out", str(out), home=world.folder / "home")
    assert done.returncode == 0, done.stderr
    assert (out / "results.json").is_file()
    report = world.folder / "report.json"
    one = {"TAGGER_CHECK": "fake", "TAGGER_TAG_PROCESSES": "1"}
    done = called("check", str(DATA / "pairs.csv"), "--out", str(report), home=world.folder / "home", **one)
    assert done.returncode == 0, done.stderr
    assert "a cup of coffee" in report.read_text("utf-8")


def imported(world: World, name: str, *options: str) -> tuple[str, dict[str, Any]]:
    """What `vocabulary import` says, and the file that it writes."""
    out = world.folder / f"{name}{len(options)}.yaml"
    done = called("vocabulary", "import", str(DATA / f"{name}.ttl"), str(out), *options, home=world.folder / "home")
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr, terms(out)


@case("skos-languages")
def _(world: World) -> None:
    said, found = imported(world, "languages")
    (bronze,) = found.values()
    assert bronze["labels"]["en"] == "bronze"
    assert "青銅" in bronze["labels"].values()
    assert bronze["synonyms"]["nl"] == ["brons"]
    for label in ("qing tong", "Aes"):
        assert label in said, "what is dropped is named"


@case("skos-whitespace")
def _(world: World) -> None:
    _, found = imported(world, "whitespace")
    assert sorted(term["labels"]["en"] for term in found.values()) == ["cat", "dog"]


@case("skos-two-labels")
def _(world: World) -> None:
    _, found = imported(world, "two-labels")
    (term,) = found.values()
    assert sorted([term["labels"]["en"], *term["synonyms"]["en"]]) == ["lorry", "truck"]


@case("skos-two-schemes")
def _(world: World) -> None:
    _, found = imported(world, "two-schemes", "--scheme", "http://voc.example/t")
    assert [term["labels"]["en"] for term in found.values()] == ["dog"]
    out = world.folder / "both.yaml"
    both = called("vocabulary", "import", str(DATA / "two-schemes.ttl"), str(out), home=world.folder / "home")
    assert "http://voc.example/s" in both.stdout + both.stderr
    assert "--scheme" in both.stdout + both.stderr


@case("voc-synonym-clash")
def _(world: World) -> None:
    done = called("vocabulary", "check", str(DATA / "clash.yaml"), "--no-reach", "--json", home=world.folder / "home")
    warnings = json.loads(done.stdout)["warnings"]
    for words in (("cup", "mug"), ("espresso", "mug"), ("cafe-a", "cafe-b")):
        assert any(all(word in warning for word in words) for warning in warnings), (words, warnings)


@pytest.mark.parametrize("name", CASES)
def test_reported_bug(name: str, world: World) -> None:
    CASES[name](world)


def test_every_row_has_a_case() -> None:
    rows = re.findall(r"^\| ([a-z][a-z0-9-]+) \|", (DATA / "README.md").read_text("utf-8"), re.MULTILINE)
    assert set(rows) - {"case"} == CASES.keys()
