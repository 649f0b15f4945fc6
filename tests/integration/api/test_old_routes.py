"""The check of a text and the routes for existing callers, over a socket and the queue, with the fake model."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import uvicorn
from PIL import Image
from support.worker_house import WorkerHouse

from tagger.api.app import create_app
from tagger.api.routes import compat
from tagger.errors import SettingsError
from tagger.keys import hash_key
from tagger.settings import Settings, load
from tagger.site import Site
from tagger.system.home import free_port
from workers.models.fake import subject_of

COLOUR = (30, 60, 90)
SUBJECT = subject_of(COLOUR)
KEY = "tgr_a-key-for-tests"


def png(colour: tuple[int, int, int] = COLOUR) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "PNG")
    return out.getvalue()


class Api:
    """The API of a house, served in this process on a free port."""

    def __init__(self, settings: Settings) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_config=None, access_log=False))
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Api:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(30)

    def post(self, path: str, **kwargs: Any) -> requests.Response:
        return requests.post(self.url + path, timeout=60, **kwargs)

    def get(self, path: str) -> dict[str, Any]:
        body: dict[str, Any] = requests.get(self.url + path, timeout=30).json()
        return body


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """The address of a picture."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(png())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/a.png"
        server.shutdown()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, web: str) -> Iterator[WorkerHouse]:
    made = WorkerHouse(tmp_path_factory.mktemp("house"), check="fake", compat_site="site", describe_wait_seconds=30.0)
    try:
        made.ledger.put_site(Site(id="site", name="A site", allowed_hosts=(urlsplit(web).netloc,)))
        made.ledger.add_key("site", "test", hash_key(KEY))
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def api(house: WorkerHouse) -> Iterator[Api]:
    with Api(house.settings) as served:
        house.until(lambda: _up(served), "the API answers")
        assert served.get("/healthz") == {"status": "ok", "model_loaded": False}
        house.tag()
        yield served


def _up(served: Api) -> bool:
    try:
        return requests.get(served.url + "/readyz", timeout=1).status_code == 200
    except requests.ConnectionError:
        return False


def authorised(**kwargs: Any) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {KEY}"}, **kwargs}


# --- POST /v1/entailment --------------------------------------------------------------------------------------------


def test_a_text_is_held_against_an_image(api: Api) -> None:
    image = {"base64": base64.b64encode(png()).decode()}
    right = api.post("/v1/entailment", **authorised(json={"text": f"a {SUBJECT} on a wall", "image": image})).json()
    assert (right["result"], right["action"], right["warnings"]) == ("yes", "publish", [])
    assert right["confidence"] == right["scores"]["yes"] == 0.9
    assert abs(sum(right["scores"].values()) - 1) < 1e-6
    form = authorised(files={"image": ("a.png", png())}, data={"text": "a premium nothing", "profile": "news"})
    wrong = api.post("/v1/entailment", **form).json()
    assert (wrong["result"], wrong["action"]) == ("no", "suppress")
    assert [w["word"] for w in wrong["warnings"]] == ["premium"]
    assert wrong["model"].startswith("fake@")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"text": "一只猫坐在红色沙发上"}, 422, "unsupported_language"),
        ({"text": "eine Katze auf dem Sofa"}, 422, "unsupported_language"),
        ({"text": " "}, 422, "bad_request"),
        ({"text": "a cat", "image": {"base64": "!"}}, 422, "bad_request"),
        ({"text": "a cat", "image": {}}, 422, "bad_request"),
        ({"text": "a cat", "image": {"base64": base64.b64encode(b"no picture").decode()}}, 422, "image_unreadable"),
        ({"text": "a cat", "profile": "parrots"}, 422, "unknown_profile"),
    ],
)
def test_what_cannot_be_checked_is_a_problem(api: Api, body: dict[str, Any], status: int, code: str) -> None:
    image = {"base64": base64.b64encode(png()).decode()}
    answer = api.post("/v1/entailment", **authorised(json={"image": image, **body}))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["remedy"]


def test_a_check_needs_a_key(api: Api) -> None:
    assert api.post("/v1/entailment", json={}).status_code == 401


def test_the_words_of_a_job_are_checked(house: WorkerHouse, api: Api) -> None:
    body = {"asset": {"id": "a", "image": {"base64": base64.b64encode(png((200, 10, 60))).decode()}}, "profile": "news"}
    job = api.post("/v1/describe", **authorised(json=body)).json()
    checks = house.ledger.job(job["id"]).description.checks  # type: ignore[union-attr]
    offered = [a["value"] for a in job["annotations"] if a["field"] in ("alt_text", "caption") and a["value"]]
    assert offered
    assert {c.text.casefold().rstrip(".") for c in checks} == {text.casefold().rstrip(".") for text in offered}


# --- the old routes -------------------------------------------------------------------------------------------------


def test_generate_caption(api: Api) -> None:
    answer = api.post("/api/generate-caption", json={"image": base64.b64encode(png()).decode(), "format": "base64"})
    assert answer.status_code == 200
    assert list(answer.json()) == ["caption"]
    assert SUBJECT in answer.json()["caption"].lower()
    for wrong in ({}, {"image": "!", "format": "base64"}, {"image": "x", "format": "tiff"}):
        assert set(api.post("/api/generate-caption", json=wrong).json()) == {"error"}


def test_tag_image(api: Api) -> None:
    answer = api.post("/api/tag-image", files={"image": ("a.png", png())}, data={"type": "no such type"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"tags", "description", "embedding"}
    assert all(set(tag) == {"tag", "confidence"} and ":" in tag["tag"] for tag in body["tags"])
    assert any(tag["tag"].endswith(f":{SUBJECT}") for tag in body["tags"])
    assert len(body["embedding"]) == 32
    missing = api.post("/api/tag-image", data={"type": "news"})
    assert (missing.status_code, missing.json()) == (400, {"error": "No image file"})


def test_predict(api: Api) -> None:
    yes = api.post("/predict", files={"image": ("a.png", png())}, data={"text": f"a {SUBJECT}"}).json()
    assert yes == {"result": 0, "label": "Yes", "confidence": 0.9, "details": [0.9, 0.05, 0.05]}
    no = api.post("/predict", files={"image": ("a.png", png())}, data={"text": "nothing of the kind"}).json()
    assert (no["result"], no["label"]) == (1, "No")
    assert api.post("/predict", data={"text": "a cat"}).json() == {"error": "No image file"}


def test_visual_entailment(api: Api) -> None:
    answer = api.post("/api/v1/visual_entailment", files={"image": ("a.png", png())}, data={"text": f"a {SUBJECT}"}).json()
    assert answer == {
        "success": True,
        "result": {"label": "匹配", "confidence": 0.9, "all_scores": {"匹配": 0.9, "不匹配": 0.05, "部分相关": 0.05}},
    }
    for missing in (api.post("/api/v1/visual_entailment", json={"image_url": "https://x.example/a.jpg"}),
                    api.post("/api/v1/visual_entailment", files={"image": ("a.png", png())})):  # fmt: skip
        assert (missing.status_code, missing.json()) == (400, {"error": "缺少text参数"})
    forbidden = api.post("/api/v1/visual_entailment", json={"text": "a cat", "image_url": "http://127.0.0.1:1/a.jpg"})
    assert forbidden.status_code >= 400
    assert set(forbidden.json()) == {"error"}


def test_pictures_by_their_address(api: Api, web: str) -> None:
    caption = api.post("/api/generate-caption", json={"image": web, "format": "url"})
    assert (caption.status_code, list(caption.json())) == (200, ["caption"])
    assert SUBJECT in caption.json()["caption"].lower()
    told = api.post("/api/v1/visual_entailment", json={"text": f"a {SUBJECT}", "image_url": web}).json()
    assert (told["success"], told["result"]["label"]) == (True, "匹配")
    other = api.post("/api/v1/visual_entailment", json={"text": "nothing of the kind", "image_url": web}).json()
    assert other["result"]["label"] == "不匹配"


@pytest.mark.parametrize("kind", ["ecommerce", "product", "marketing", "news", "social", "general", "parrots", ""])
def test_a_type_is_a_profile_and_an_unknown_one_is_general(house: WorkerHouse, api: Api, kind: str) -> None:
    answer = api.post("/api/tag-image", files={"image": ("a.png", png())}, data={"type": kind})
    assert answer.status_code == 200, answer.text
    job = house.ledger.jobs(limit=1).data[0]
    assert job.request.profile == (kind if kind in compat.TYPES else "general")
    assert (job.site_id, job.lane, job.request.deliver) == ("site", "upload", False), "through the queue, for the one site"


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/api/generate-caption", {"json": {"image": "\ud800", "format": "url"}}, 400),
        ("/api/generate-caption", {"json": {"image": "http://x.example/" + "a" * 5000, "format": "url"}}, 400),
        ("/api/generate-caption", {"json": {"image": base64.b64encode(b"no picture").decode()}}, 422),
        ("/api/generate-caption", {"data": b"{"}, 400),
        ("/api/tag-image", {"json": {}}, 400),
        ("/api/tag-image", {"data": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        ("/predict", {"files": {"image": ("a.png", png())}}, 400),
        ("/predict", {"files": {"image": ("a.png", b"")}, "data": {"text": "a cat"}}, 400),
        ("/predict", {"files": {"image": ("a.png", png())}, "data": {"text": "a\x00cat"}}, 400),
        ("/predict", {"files": {"image": ("a.png", png())}, "data": {"text": "eine Katze auf dem Sofa"}}, 400),
        ("/api/v1/visual_entailment", {"json": {"text": "a cat"}}, 400),
        ("/api/v1/visual_entailment", {"json": {"text": 5, "image_url": "http://x.example/"}}, 400),
    ],
)
def test_whatever_is_wrong_is_told_in_the_old_shape(api: Api, path: str, sent: dict[str, Any], status: int) -> None:
    answer = api.post(path, **sent)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"]


def test_a_caller_behind_a_proxy_that_nobody_named_is_refused(api: Api) -> None:
    for name in ("X-Forwarded-For", "Forwarded"):
        answer = api.post("/predict", files={"image": ("a.png", png())}, data={"text": "a cat"}, headers={name: "127.0.0.1"})
        assert (answer.status_code, list(answer.json())) == (403, ["error"])


def test_no_answer_in_time_is_503_never_202(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compat.WAIT_SECONDS == 25
    monkeypatch.setattr(compat, "WAIT_SECONDS", 0.001)
    answer = api.post("/predict", files={"image": ("a.png", png((9, 9, 9)))}, data={"text": "a cat"})
    assert answer.status_code == 503
    assert set(answer.json()) == {"error"}


def test_probes_say_what_the_old_ones_said(house: WorkerHouse, api: Api) -> None:
    api.post("/predict", files={"image": ("a.png", png())}, data={"text": "a cat"})
    assert api.get("/healthz") == {"status": "ok", "model_loaded": True}
    ready = api.get("/readyz")
    assert ready["ready"] is True
    assert isinstance(ready["queue_length"], int)
    assert 0 < ready["latency_95"] <= 60
    assert "http_requests_total{" in requests.get(api.url + "/metrics", timeout=30).text


def test_by_default_there_are_no_such_routes_and_strangers_are_refused(tmp_path: Path) -> None:
    home = {"home": tmp_path, "broker_url": f"redis+socket://{tmp_path}/no.sock"}
    with Api(load({}, **home)) as plain:
        _wait(plain)
        assert plain.post("/predict", files={"image": ("a.png", png())}).status_code == 404
    with Api(load({}, **home, compat_site="nobody", check="fake")) as nobodys:
        _wait(nobodys)
        answer = nobodys.post("/predict", files={"image": ("a.png", png())}, data={"text": "a cat"})
        assert (answer.status_code, list(answer.json())) == (404, ["error"]), "the site that the setting names is not there"
    with Api(load({}, **home, compat_site="site", compat_addresses="192.0.2.0/24")) as strict:
        _wait(strict)
        assert strict.post("/predict", files={"image": ("a.png", png())}).status_code == 403
    with pytest.raises(SettingsError):
        create_app(load({}, **home, compat_site="site", compat_addresses="everyone"))
    with pytest.raises(SettingsError):
        create_app(load({}, **home, compat_site="site", trusted_proxies="10.0.0.1/8"))


def _wait(served: Api) -> None:
    for _ in range(200):
        if _up(served):
            return
        threading.Event().wait(0.05)
    raise AssertionError("the API does not answer")
