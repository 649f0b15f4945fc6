"""Every reader, parser of hooks and writer of a CMS keeps its contract, and the registry is the only way to them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.hook_contract import HookContract
from support.reader_contract import Open, ReaderContract
from support.store_sender import StoreSender
from support.writer_contract import CLAIM, WriterContract

from tagger.api.app import create_app
from tagger.asset import ImageSource
from tagger.cms import registry
from tagger.cms.base import Answer, Cms, HookParser, Writer
from tagger.cms.generic import reader as library_reader
from tagger.cms.generic.ask import Asker
from tagger.cms.generic.reader import LibraryReader
from tagger.cms.registry import CMSES, hook_parser, kinds, open_reader, writer
from tagger.delivery import DeliveryClaim, Endpoint
from tagger.demo.media_store import MediaStore
from tagger.errors import BadRequest, Conflict
from tagger.job import JobRequest
from tagger.ledger import Ledger, open_ledger
from tagger.net import signing
from tagger.net.client import Reply
from tagger.settings import Settings
from tagger.site import Site
from workers.deliver.attempt import attempt

ROOT = Path(__file__).parents[3]
PATHS = ("a.jpg", "b/a.png", "b/c.webp", "b.jpg", "ü.jpg")


class TestFolderReader(ReaderContract):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for path in PATHS:
            file = tmp_path / "library" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"picture")
        return tmp_path / "library"

    @pytest.fixture
    def spec(self, folder: Path) -> Mapping[str, Any]:
        return {"folder": str(folder)}

    @pytest.fixture
    def opened(self, spec: Mapping[str, Any]) -> Open:
        return lambda: open_reader("folder", spec)

    @pytest.fixture
    def change_image(self, folder: Path) -> Callable[[str], None]:
        return lambda asset_id: (folder / asset_id).write_bytes(b"another picture") and None


class TestLibraryReader(ReaderContract):
    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MediaStore]:
        monkeypatch.setattr(library_reader, "PAGE", 2)
        store = MediaStore(tmp_path / "library.sqlite", ("en",))
        for number in (3, 1, 2, 5, 4):
            asset = {"id": f"a{number}", "filename": "a.jpg", "media_type": "image/jpeg", "role": "unknown", "created_ms": number}
            store.add(asset, {"title": (f"Title {number}", "import")}, f"event {number}", b"")
        yield store
        store.close()

    @pytest.fixture
    def spec(self) -> Mapping[str, Any]:
        return {"query": {}, "fields": ["alt_text"], "locales": ["en"]}

    @pytest.fixture
    def opened(self, spec: Mapping[str, Any], store: MediaStore) -> Open:
        endpoint = Endpoint(id="end_1", site_id="s", url="http://cms.example/tagger", secrets=(signing.new_secret(),))
        return lambda: LibraryReader(Asker(endpoint=endpoint, client=StoreSender(store)), spec)

    @pytest.fixture
    def change_image(self, store: MediaStore) -> Callable[[str], None]:
        return lambda asset_id: store.replace(asset_id, "image/png", "another event", b"", 2)


class TestNamedAssets(TestLibraryReader):
    """The same reader, asked for named assets."""

    @pytest.fixture
    def spec(self) -> Mapping[str, Any]:
        return {"query": {"ids": ["a5", "a1", "a4", "a2"]}, "fields": ["alt_text"], "locales": ["en"]}


class TestUrlListReader(ReaderContract):
    @pytest.fixture
    def spec(self, tmp_path: Path) -> Mapping[str, Any]:
        file = tmp_path / "images.csv"
        rows = ["id;url;revision", *(f"{n};http://cms.example/{n}.jpg;1" for n in range(5))]
        file.write_text("\n".join(rows), "utf-8")
        return {"csv": str(file)}

    @pytest.fixture
    def opened(self, spec: Mapping[str, Any]) -> Open:
        return lambda: open_reader("csv", spec)

    @pytest.fixture
    def change_image(self, spec: Mapping[str, Any]) -> Callable[[str], None]:
        def change(asset_id: str) -> None:
            file, line = Path(spec["csv"]), f"\n{asset_id};http://cms.example/{asset_id}.jpg;"
            file.write_text(file.read_text("utf-8").replace(line + "1", line + "2"), "utf-8")

        return change


class TestGenericHook(HookContract):
    @pytest.fixture
    def parse(self) -> HookParser:
        return hook_parser("generic")

    @pytest.fixture
    def created(self) -> bytes:
        return hook("asset.created", revision="1", image={"url": "https://cms.example/a.jpg"})

    @pytest.fixture
    def changed(self) -> bytes:
        return hook("asset.updated", revision="2", image={"url": "https://cms.example/a.jpg"})

    @pytest.fixture
    def deleted(self) -> bytes:
        return hook("asset.deleted")

    @pytest.fixture
    def other(self) -> bytes:
        return hook("asset.viewed")


class TestGenericWriter(WriterContract):
    @pytest.fixture
    def writer(self) -> Writer:
        return writer("generic")

    @pytest.fixture
    def accepted(self) -> bytes:
        written = {"outcome": "written"}
        fields = {"alt_text": {"en": written, "pt-BR": written}, "tags": {**written, "added": ["cat"], "removed": []}}
        return json.dumps({"fields": fields}).encode()


def hook(kind: str, **asset: Any) -> bytes:
    return json.dumps({"type": kind, "data": {"asset": {"id": "4711", **asset}}}).encode()


def test_every_part_of_every_cms_is_tested() -> None:
    """Add a subclass of the contract suite for each new one."""
    assert kinds("open_reader") == ["csv", "folder", "generic"]
    assert kinds("parse_hook") == ["generic"]
    assert kinds("writer") == ["generic"]


SECRET = signing.new_secret()


class OtherWriter:
    """The writer of a CMS that is not generic."""

    def body(self, claim: DeliveryClaim, /) -> bytes:
        return b"other:" + claim.asset_id.encode()

    def read_answer(self, _claim: DeliveryClaim, content: bytes, /) -> Answer:
        return Answer(complaint=content.decode())


class Post:
    """Keeps what was sent, and answers."""

    def post(self, _endpoint: object, _headers: object, body: bytes, _seconds: float) -> Reply:
        self.body = body
        return Reply(status=200, headers={}, body=b"read by the other one")

    def close(self) -> None: ...


@pytest.fixture
def other_cms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new CMS: one line in the registry."""

    def parse(site: Site, event_id: str, body: bytes, /) -> JobRequest:
        source = ImageSource(kind="url", location="https://cms.example/a.jpg")
        return JobRequest(site_id=site.id, asset_id=body.decode(), source=source, event_id=event_id)

    monkeypatch.setitem(registry.CMSES, "other", Cms(parse_hook=parse, writer=OtherWriter()))  # type: ignore[arg-type]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, broker_url=f"redis+socket://{tmp_path}/none.sock")


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    ledger = open_ledger(settings.ledger)
    ledger.migrate()
    yield ledger
    ledger.close()


@pytest.mark.usefixtures("other_cms")
def test_the_hook_of_a_site_is_parsed_by_the_sites_cms(ledger: Ledger, settings: Settings) -> None:
    ledger.put_site(Site(id="theirs", name="Theirs", cms="other", hook_secrets=(SECRET,)))
    body = b"not-json-4711"
    with TestClient(create_app(settings)) as api:
        answer = api.post("/v1/hooks/theirs", content=body, headers=signing.sign([SECRET], "evt_1", int(time.time()), body))
    assert answer.status_code == 202, answer.text
    assert ledger.job(answer.json()["id"]).asset_id == "not-json-4711"


@pytest.mark.usefixtures("other_cms")
def test_a_delivery_is_written_and_its_answer_read_by_the_sites_cms(ledger: Ledger) -> None:
    ledger.put_site(Site(id="theirs", name="Theirs", cms="other"))
    assert ledger.get_site("theirs").cms == "other", "the ledger keeps it"
    endpoint, post = replace(CLAIM.endpoint, secrets=(SECRET,)), Post()
    report = attempt(replace(CLAIM, cms="other", endpoint=endpoint), post, 1.0)
    assert (report.result, post.body) == ("delivered", b"other:4711")
    assert report.error is not None
    assert report.error["detail"] == "read by the other one"


def test_the_deliveries_of_a_cms_that_this_version_does_not_know_wait() -> None:
    """Another version registered it, and this one was put back: no attempt is spent."""
    report = attempt(replace(CLAIM, cms="later"), Post(), 1.0)
    assert report.error is not None
    assert (report.result, report.error["code"]) == ("park", "endpoint_misconfigured")
    assert "`later`" in report.error["detail"]


def test_nobody_but_the_registry_names_a_cms_that_has_hooks_or_writes() -> None:
    """The demo is a receiver of its own. `tagger conformance` tests one protocol. The CLI also reads folders and tables."""
    naming = {
        file.relative_to(ROOT).as_posix()
        for folder in ("tagger", "workers")
        for file in (ROOT / folder).rglob("*.py")
        if re.search(r"tagger\.cms\.(?!base|registry|job_body|folder|url_list)\w", file.read_text("utf-8"))
    }
    naming = {name for name in naming if not re.match(r"tagger/(cms/(?!registry)|conformance/|demo/)", name)}
    assert naming == {"tagger/cms/registry.py"}


def test_a_cms_implements_something() -> None:
    assert all(cms.open_reader or cms.parse_hook or cms.writer for cms in CMSES.values())


def test_a_backfill_of_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRequest, match="no reader `flickr`") as caught:
        open_reader("flickr", {})
    assert "folder" in caught.value.remedy


def test_the_library_of_a_site_without_an_endpoint_is_a_conflict() -> None:
    with pytest.raises(Conflict) as raised:
        registry.open_library("generic", {}, None)
    assert raised.value.status == 409, "and no 502: nothing was asked"
