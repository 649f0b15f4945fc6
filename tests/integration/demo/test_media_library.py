"""The sample media library as a process of its own: its signed hook, its pages, and tagger's callback over real HTTP."""

from __future__ import annotations

import http.server
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from tagger.annotation import Verdict
from tagger.asset import ImageSource
from tagger.cms.generic.hook import parse_hook
from tagger.delivery import AttemptReport, DeliveryClaim, Endpoint
from tagger.errors import AnswerIncomplete, DecodeError
from tagger.job import Description, JobRequest
from tagger.judge.gate import REASONS
from tagger.ledger import Ledger, open_ledger
from tagger.net import signing
from tagger.net.client import Reply
from tagger.settings import Settings
from tagger.site import Site
from workers import deliver
from workers.deliver.attempt import attempt
from workers.deliver.transport import HttpTransport

SECONDS = 20.0
SITE = Site(id="demo", name="Demo")
HOOK_SECRET, CALLBACK_SECRET, OLD_SECRET = (signing.new_secret() for _ in range(3))


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    pause = threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        pause.wait(0.02)
    return found


@dataclass
class Hooks:
    """Stands for tagger's API: takes hooks, or refuses them for a while."""

    status: int = 202
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    refused: int = 0


@dataclass
class Cms:
    url: str
    hooks: Hooks
    session: requests.Session

    def upload(self, filename: str = "cat.png", **query: Any) -> str:
        answer = self.session.put(f"{self.url}/api/assets", params={"filename": filename, **query}, data=png())
        assert answer.status_code == 201
        return str(answer.json()["id"])

    def asset(self, asset_id: str) -> dict[str, Any]:
        return dict(self.session.get(f"{self.url}/api/assets/{asset_id}").json())

    def alt(self, asset_id: str) -> tuple[str, str]:
        text = self.asset(asset_id)["fields"]["alt_text"]["en"]
        return text["value"], text["writer"]

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.session.post(self.url + path, allow_redirects=False, **options)


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), "teal").save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def cms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cms]:
    hooks = Hooks()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if hooks.status == 202:
                hooks.seen.append((dict(self.headers.items()), body))
            else:
                hooks.refused += 1
            self.send_response(hooks.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = tmp_path_factory.mktemp("library")
    command = [sys.executable, "-m", "tagger.demo.media_library", "--home", str(home), "--port", "0"]
    command += ["--hook-url", f"http://127.0.0.1:{server.server_port}/v1/hooks/demo"]
    secrets = {"MEDIA_LIBRARY_HOOK_SECRET": HOOK_SECRET, "MEDIA_LIBRARY_CALLBACK_SECRETS": f"{CALLBACK_SECRET},{OLD_SECRET}"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **secrets}, cwd=Path.cwd())
    assert process.stdout is not None
    with requests.Session() as session:
        session.trust_env = False
        yield Cms(json.loads(process.stdout.readline())["url"], hooks, session)
    process.terminate()
    ended = process.wait(SECONDS)
    process.stdout.close()
    server.shutdown()
    server.server_close()
    assert ended in (0, -signal.SIGTERM)  # uvicorn ends in good order, then dies of the signal as if it had not caught it


@pytest.fixture(scope="module")
def transport() -> Iterator[HttpTransport]:
    transport = HttpTransport()
    yield transport
    transport.close()


def claim_for(cms: Cms, asset_id: str, text: str = "A cat", sequence: int = 1, **endpoint: Any) -> DeliveryClaim:
    values = {"url": cms.url + "/tagger/callback", "secrets": (CALLBACK_SECRET,), "allow_private": True, **endpoint}
    return DeliveryClaim(
        delivery_id=f"dlv_{asset_id}_{sequence}",
        token="t",
        job_id="job_1",
        site_id="demo",
        asset_id=asset_id,
        sequence=sequence,
        failures=0,
        attempts=1,
        described_ms=0,
        fields={
            "alt_text": {"en": {"value": text, "source": "model", "model": "m@1", "score": 0.9}},
            "tags": {"add": [{"id": "t:cat", "label": "cat", "score": 0.97}], "remove": []},
        },
        provenance={},
        provenance_tags=(),
        metadata={},
        endpoint=Endpoint(id="end_1", site_id="demo", **values),
    )


def outcomes(report: AttemptReport) -> dict[str, str]:
    return {o.field: o.outcome for o in report.outcomes}


def writes_of(cms: Cms, asset_id: str) -> int:
    rows = cms.session.get(f"{cms.url}/api/writes").json()["by_field"]
    return sum(row["n"] for row in rows if row["asset"] == asset_id)


def hook_of(cms: Cms, asset_id: str) -> Any:
    """The job that tagger makes of the asset's newest hook."""
    for headers, body in reversed(cms.hooks.seen):
        event_id = signing.verify([HOOK_SECRET], headers, body, time.time())
        request = parse_hook(SITE, event_id, body)
        if request is not None and request.asset_id == asset_id:
            return request
    return None


def test_an_upload_becomes_a_signed_hook_with_a_picture_behind_it(cms: Cms) -> None:
    asset_id = cms.upload(role="informative", title="Our cat")
    request = until(lambda: hook_of(cms, asset_id))
    assert (request.context.role, request.context.title, request.asset_revision) == ("informative", "Our cat", "1")
    picture = cms.session.get(request.source.location)
    assert (picture.content, picture.headers["content-type"]) == (png(), "image/png")


def test_a_hook_waits_for_a_tagger_that_is_away(cms: Cms) -> None:
    cms.hooks.status, cms.hooks.refused = 503, 0
    asset_id = cms.upload()
    until(lambda: cms.hooks.refused >= 2)
    cms.hooks.status = 202
    assert until(lambda: hook_of(cms, asset_id)).event_id == f"evt_{asset_id}_1"
    until(lambda: cms.session.get(f"{cms.url}/api/outbox").json()["unsent"] == 0)


def test_another_picture_is_another_revision(cms: Cms) -> None:
    asset_id = cms.upload()
    first = until(lambda: hook_of(cms, asset_id))
    assert cms.session.put(f"{cms.url}/api/assets/{asset_id}/image", data=png()).json()["revision"] == 2
    second = until(lambda: (hook := hook_of(cms, asset_id)) and hook.asset_revision == "2" and hook)
    assert first.identity() != second.identity()


def test_a_callback_is_written_once_however_often_it_comes(cms: Cms, transport: HttpTransport) -> None:
    asset_id = cms.upload()
    claim = claim_for(cms, asset_id)
    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(lambda _: attempt(claim, transport, SECONDS), range(16)))
    said = sorted(outcomes(report)["alt_text"] for report in reports)
    assert said == ["unchanged"] * 15 + ["written"]
    assert cms.alt(asset_id) == ("A cat", "tagger")
    assert writes_of(cms, asset_id) == 2  # alt text and tags, each once
    page = cms.session.get(f"{cms.url}/assets/{asset_id}").text
    assert "A cat" in page
    assert "m@1" in page


def test_only_our_signature_opens_the_callback(cms: Cms, transport: HttpTransport) -> None:
    asset_id = cms.upload()
    assert attempt(claim_for(cms, asset_id, secrets=(signing.new_secret(),)), transport, SECONDS).status == 401
    assert cms.post("/tagger/callback", data=b"{}").status_code == 401
    assert writes_of(cms, asset_id) == 0
    rotating = claim_for(cms, asset_id, secrets=(signing.new_secret(), OLD_SECRET))
    assert outcomes(attempt(rotating, transport, SECONDS))["alt_text"] == "written"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"type": "asset.described", "data": {"asset": {}}}'])
def test_a_signed_message_that_is_not_the_contracts_is_refused(cms: Cms, body: bytes) -> None:
    headers = signing.sign([CALLBACK_SECRET], "dlv_x", int(time.time()), body)
    assert cms.post("/tagger/callback", data=body, headers=headers).status_code == 422


def test_words_typed_between_description_and_write_stay(cms: Cms, transport: HttpTransport) -> None:
    asset_id = cms.upload(hold=True)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(attempt, claim_for(cms, asset_id), transport, SECONDS)
        until(lambda: cms.asset(asset_id)["callback"] == "waiting")
        change = {"fields": {"alt_text": {"en": "Tibby on her sofa"}}, "add_tags": ["Tibby"]}
        assert cms.post(f"/api/assets/{asset_id}/edit", json=change).ok
        assert not sending.done()
        assert cms.post(f"/api/assets/{asset_id}/release").json() == {"callback": "free"}
        assert outcomes(sending.result(SECONDS)) == {"alt_text": "kept", "tags": "written"}
    assert cms.alt(asset_id) == ("Tibby on her sofa", "person")
    assert {tag["label"]: tag["writer"] for tag in cms.asset(asset_id)["tags"]} == {"cat": "tagger", "Tibby": "person"}


def test_a_deleted_asset_is_gone(cms: Cms, transport: HttpTransport) -> None:
    asset_id = cms.upload()
    assert cms.session.delete(f"{cms.url}/api/assets/{asset_id}").status_code == 204
    assert attempt(claim_for(cms, asset_id), transport, SECONDS).result == "gone"
    assert cms.session.get(f"{cms.url}/api/assets/{asset_id}").status_code == 404


def test_an_older_description_comes_too_late(cms: Cms, transport: HttpTransport) -> None:
    asset_id = cms.upload()
    attempt(claim_for(cms, asset_id, "A cat", 2), transport, SECONDS)
    late = attempt(claim_for(cms, asset_id, "A dog", 1), transport, SECONDS)
    assert set(outcomes(late).values()) == {"rejected"}
    assert cms.alt(asset_id) == ("A cat", "tagger")


def tells(cms: Cms, asset_id: str, sequence: int, **more: Any) -> DeliveryClaim:
    """A message that writes nothing."""
    return replace(claim_for(cms, asset_id, sequence=sequence), fields={}, **more)


REVIEW = {
    "verdict": "review", "reasons": ["low_score"],
    "proposals": {"alt_text": {"en": {"value": "Cat in a box", "reasons": ["low_score"], "source": "model", "model": "m@1"}}},
}  # fmt: skip
NOTHING = {"verdict": "suppress", "reasons": ["no_caption"], "proposals": {}}
FAILED = {"error": DecodeError("The URL returned HTML, not an image.").info().to_dict()}


def test_a_picture_shows_in_which_of_the_four_states_it_ended(cms: Cms, transport: HttpTransport) -> None:
    waiting, written, review, nothing, failed = (cms.upload() for _ in range(5))
    for claim in (
        claim_for(cms, written),
        tells(cms, review, 1, notice=REVIEW),
        tells(cms, nothing, 1, notice=NOTHING),
        tells(cms, failed, 1, type="asset.failed", notice=FAILED),
    ):
        report = attempt(claim, transport, SECONDS)
        assert (report.result, report.status, report.error) == ("delivered", 200, None)
    states = {asset_id: cms.asset(asset_id)["told"]["state"] for asset_id in (waiting, written, review, nothing, failed)}
    assert list(states.values()) == ["waiting", "written", "for review", "nothing to say", "failed"]
    assert [writes_of(cms, asset_id) for asset_id in (review, nothing, failed)] == [0, 0, 0]
    assert cms.asset(review)["fields"]["alt_text"] == {}, "a proposal is never written by itself"
    for asset_id, words in (
        (waiting, "waiting for tagger"), (review, "Cat in a box"), (nothing, "No model offered a caption"),
        (failed, "The URL returned HTML, not an image."),
    ):  # fmt: skip
        for path in (f"/assets/{asset_id}", f"/assets/{asset_id}/live", "/grid"):
            assert words in cms.session.get(cms.url + path).text, (words, path)


def test_a_proposal_stands_in_the_place_of_the_text_with_the_reason(cms: Cms, transport: HttpTransport) -> None:
    asset_id = cms.upload()
    attempt(tells(cms, asset_id, 1, notice=REVIEW), transport, SECONDS)
    grid = cms.session.get(f"{cms.url}/grid").text
    card = " ".join(grid.split(f'id="asset-{asset_id}"')[1].split("</li>\n<li")[0].split())
    assert re.search(r"Alt text</dt> ?<dd><q>Cat in a box</q> <span[^>]*>proposed</span>", card), card
    assert re.search(r"Caption</dt> ?<dd><em>none</em>", card), card
    assert REASONS["low_score"] in card
    assert REASONS["low_score"] in cms.session.get(f"{cms.url}/assets/{asset_id}").text


def test_a_person_may_accept_a_proposal_and_then_it_is_theirs(cms: Cms, transport: HttpTransport) -> None:
    asset_id = cms.upload()
    attempt(tells(cms, asset_id, 1, notice=REVIEW), transport, SECONDS)
    page = cms.session.get(f"{cms.url}/assets/{asset_id}").text
    [form] = re.findall(r"<form[^>]*>(?:(?!</form>).)*Use this text.*?</form>", page, flags=re.S)
    [(name, value)] = re.findall(r'type="hidden" name="([^"]+)" value="([^"]+)"', form)
    assert cms.post(f"/assets/{asset_id}/edit", data={name: value}).status_code == 303
    assert cms.alt(asset_id) == ("Cat in a box", "person")
    told = cms.asset(asset_id)["told"]
    assert (told["state"], told["proposals"]) == ("kept", [])
    assert outcomes(attempt(claim_for(cms, asset_id, sequence=2), transport, SECONDS))["alt_text"] == "kept"


def test_an_older_message_does_not_change_what_is_shown(cms: Cms, transport: HttpTransport) -> None:
    asset_id = cms.upload()
    attempt(claim_for(cms, asset_id, sequence=2), transport, SECONDS)
    attempt(tells(cms, asset_id, 1, type="asset.failed", notice=FAILED), transport, SECONDS)
    assert cms.asset(asset_id)["told"]["state"] == "written"
    cms.session.put(f"{cms.url}/api/assets/{asset_id}/image", data=png())
    assert cms.asset(asset_id)["told"]["state"] == "waiting", "another picture"


def test_a_tag_that_an_editor_took_off_stays_off_under_another_label(cms: Cms, transport: HttpTransport) -> None:
    asset_id = cms.upload()
    attempt(claim_for(cms, asset_id), transport, SECONDS)  # its answer is lost
    assert cms.post(f"/api/assets/{asset_id}/edit", json={"remove_tags": ["cat"]}).ok
    again = claim_for(cms, asset_id, sequence=2)
    tags = {"add": [{"id": "t:cat", "label": "Cats", "score": 0.97}], "remove": []}
    [said] = attempt(replace(again, fields={"tags": tags}), transport, SECONDS).outcomes
    assert (said.outcome, said.added, cms.asset(asset_id)["tags"]) == ("unchanged", (), [])


def test_saving_the_form_makes_only_the_changed_field_a_persons(cms: Cms, transport: HttpTransport) -> None:
    asset_id = cms.upload()
    first = attempt(claim_for(cms, asset_id), transport, SECONDS)
    form = {"alt_text.en": "A cat", "was.alt_text.en": "A cat", "caption.en": "Line 1\r\nLine 2", "was.caption.en": ""}
    answer = cms.post(f"/assets/{asset_id}/edit", data={**form, "tags": "Tibby", "was.tags": "cat"})
    assert answer.status_code == 303
    fields = cms.asset(asset_id)["fields"]
    assert fields["alt_text"]["en"]["writer"] == "tagger"
    assert (fields["caption"]["en"]["value"], fields["caption"]["en"]["writer"]) == ("Line 1\nLine 2", "person")
    known = {("alt_text", "en"): (str(first.outcomes[0].value_sha256),)}
    again = replace(claim_for(cms, asset_id, "A tabby", 2), provenance=known, provenance_tags=("t:cat",))
    assert outcomes(attempt(again, transport, SECONDS)) == {"alt_text": "written", "tags": "unchanged"}
    assert [tag["label"] for tag in cms.asset(asset_id)["tags"]] == ["Tibby"]  # cat was taken off by a person


def test_the_upload_form_takes_pictures_and_nothing_else(cms: Cms) -> None:
    good = cms.post("/upload", files={"image": ("../../x<b>.png", png())}, data={"role": "decorative", "caption": "Hi"})
    asset = cms.asset(good.headers["location"].removeprefix("/assets/"))
    assert (asset["filename"], asset["role"], asset["fields"]["caption"]["en"]["writer"]) == ("x<b>.png", "decorative", "person")
    assert "x<b>" not in cms.session.get(cms.url).text
    for name, content in (("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"), ("x.png", b"no picture"), ("x.html", b"<p>")):
        bad = cms.post("/upload", files={"image": (name, content)})
        assert bad.status_code == 415
        assert 'role="alert"' in bad.text


def test_a_form_of_another_site_is_refused(cms: Cms) -> None:
    asset_id = cms.upload()
    answer = cms.post(f"/assets/{asset_id}/delete", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert cms.asset(asset_id)["id"] == asset_id
    assert cms.post(f"/assets/{asset_id}/delete", headers={"Origin": cms.url}).status_code == 303


class LosesAnswers:
    """Real HTTP, but the first answer to each message is lost on its way back."""

    def __init__(self, transport: HttpTransport) -> None:
        self.transport, self.lost = transport, set[str]()

    def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply:
        reply = self.transport.post(endpoint, headers, body, seconds)
        if headers["webhook-id"] in self.lost:
            return reply
        self.lost.add(headers["webhook-id"])
        raise AnswerIncomplete("lost")

    def close(self) -> None:
        """The transport is the fixture's."""


@pytest.fixture
def later() -> list[int]:
    """Milliseconds by which the ledger's clock is ahead."""
    return [0]


@pytest.fixture
def ledger(cms: Cms, tmp_path: Path, later: list[int]) -> Iterator[Ledger]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", clock=lambda: time.time_ns() // 1_000_000 + later[0])
    ledger.migrate()
    ledger.register_worker("tagger", role="tag", lane="upload", host="here", pid=1)
    ledger.put_site(SITE)
    ledger.put_endpoint(claim_for(cms, "any").endpoint)
    yield ledger
    ledger.close()


def describe(ledger: Ledger, asset_id: str, revision: str, text: str) -> str:
    """A finished job of which the delivery waits; the job's id."""
    source = ImageSource(kind="url", location="http://cms.example/a.jpg")
    [accepted] = ledger.accept([JobRequest(site_id="demo", asset_id=asset_id, asset_revision=revision, source=source)])
    claim = ledger.claim(lane="upload", worker_id="tagger", lease_ms=60_000, job_id=accepted.job_id)
    assert claim is not None
    offer = {"alt_text": {"en": {"value": text, "source": "model", "model": "m@1", "score": 0.9}}}
    verdict = Verdict(action="publish")
    result = Description(annotations=(), verdict=verdict, sha256="00", width=1, height=1, timings_ms={})
    assert ledger.complete(claim, result, offer)
    return claim.job_id


@contextmanager
def delivering(ledger: Ledger, tmp_path: Path, transport: Any) -> Iterator[None]:
    stop = threading.Event()
    settings = Settings(home=tmp_path, deliver_threads=8)
    ledger.register_worker("deliverer", role="deliver", lane=None, host="here", pid=1)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(deliver.run, settings, ledger, "deliverer", stop, transport=transport, rng=random.Random(1))
        try:
            yield
        finally:
            stop.set()
        running.result(SECONDS)


def test_after_a_lost_answer_the_retry_changes_nothing_and_the_words_are_known_as_ours(
    cms: Cms, ledger: Ledger, transport: HttpTransport, tmp_path: Path, later: list[int]
) -> None:
    asset_id = cms.upload()
    first = describe(ledger, asset_id, "1", "A  cat")  # the library stores it with one space
    with delivering(ledger, tmp_path, LosesAnswers(transport)):
        until(lambda: [d.failures for d in ledger.deliveries().data] == [1] and ledger.deliveries(status="pending").data)
        assert cms.alt(asset_id) == ("A cat", "tagger")
        later[0] += 60_000
        until(lambda: ledger.job_status(first) == "done")
        assert [o.outcome for o in ledger.deliveries().data[0].outcomes] == ["unchanged"]
        assert writes_of(cms, asset_id) == 1
        second = describe(ledger, asset_id, "2", "A tabby cat")  # replaces it, since those are the words that we wrote
        until(lambda: cms.alt(asset_id) == ("A tabby cat", "tagger"))
        later[0] += 60_000
        until(lambda: ledger.job_status(second) == "done")
        assert writes_of(cms, asset_id) == 2


def test_a_hundred_deliveries_are_a_hundred_effective_writes(
    cms: Cms, ledger: Ledger, transport: HttpTransport, tmp_path: Path
) -> None:
    assets = [cms.upload() for _ in range(100)]
    jobs = [describe(ledger, asset_id, "1", "A cat") for asset_id in assets]
    with delivering(ledger, tmp_path, transport):
        until(lambda: all(ledger.job_status(job) == "done" for job in jobs))
    rows = cms.session.get(f"{cms.url}/api/writes").json()["by_field"]
    assert {row["asset"]: row["n"] for row in rows if row["asset"] in assets} == dict.fromkeys(assets, 1)
