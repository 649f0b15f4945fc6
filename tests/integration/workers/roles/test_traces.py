"""One trace from the hook to the callback, over the real processes of a fleet and a stand-in for a collector."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image
from support.collector import Collector, Seen
from support.picture_server import Server, send
from support.worker_house import WorkerHouse

from tagger.backfill import Backfill
from tagger.delivery import Endpoint
from tagger.ledger import open_ledger
from tagger.net import signing
from tagger.services.backfill.feed import feed
from tagger.settings import load
from tagger.site import Site
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.stack import Stack
from tagger.telemetry import tracing

SECRET = signing.new_secret()
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE, CALLERS_SPAN = CALLER.split("-")[1:3]
STAGES = {"fetch", "decode", "model", "judge", "persist"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def cms() -> Iterator[Server]:
    """It serves a picture and takes callbacks."""
    made, png = Server(), io.BytesIO()
    Image.new("RGB", (32, 32), (200, 40, 40)).save(png, "PNG")
    made.answers["/cat.png"] = send(_answer("image/png", png.getvalue()))
    made.answers["/callback"] = send(_answer("application/json", b'{"fields": {}}'))
    yield made
    made.close()


@pytest.fixture
def house(tmp_path: Path, collector: Collector, cms: Server) -> Iterator[WorkerHouse]:
    made = WorkerHouse(tmp_path / "house", trace_url=collector.url)
    made.ledger.put_endpoint(_endpoint("site", cms))
    yield made
    tracing.close()
    made.close()


@pytest.fixture
def stack(tmp_path: Path, collector: Collector, cms: Server) -> Iterator[Stack]:
    """Every role in a process of its own, as `tagger up` starts them."""
    (tmp_path / "home").mkdir()
    own = {"caption": "fake", "embed": "fake", "threads": 8, "max_batch": 4, "decode_processes": 1}
    settings = load({}, home=tmp_path / "home", api_port=0, trace_url=collector.url, **own)
    made = Stack(settings, ProcessPlan(upload=1, backfill=0))
    try:
        made.start()
        ledger = open_ledger(made.settings.ledger)
        ledger.put_site(Site(id="blog", name="Blog", allowed_hosts=(f"127.0.0.1:{cms.port}",), hook_secrets=(SECRET,)))
        ledger.put_endpoint(_endpoint("blog", cms))
        ledger.close()
        assert made.wait_ready(90) == []
        yield made
    finally:
        made.stop()


def _endpoint(site: str, cms: Server) -> Endpoint:
    address = f"http://127.0.0.1:{cms.port}/callback"
    return Endpoint(id="end_1", site_id=site, url=address, secrets=(SECRET,), allow_private=True)


def _answer(kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def hooked(address: str, cms: Server) -> requests.Response:
    """A signed hook of a CMS that is itself traced."""
    asset = {"id": "4711", "image": {"url": f"http://127.0.0.1:{cms.port}/cat.png"}}
    body = json.dumps({"type": "asset.created", "data": {"asset": asset}}).encode()
    signed = signing.sign([SECRET], "evt_1", int(time.time()), body)
    return requests.post(f"{address}/v1/hooks/blog", data=body, headers={**signed, "traceparent": CALLER}, timeout=60)


def _logged(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for file in sorted(folder.glob("*.log"))
        for line in file.read_text("utf-8").splitlines()
        if line[:1] == "{"
    ]


def _until(look: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_one_trace_leads_from_the_hook_to_the_callback(stack: Stack, collector: Collector, cms: Server) -> None:
    answer = hooked(stack.api_url, cms)
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["id"]
    _until(lambda: collector.spans("deliver") and len(collector.spans()) >= len(STAGES) + 6, "all spans arrive")
    by_name = {span.name: span for span in collector.spans()}
    of_job = {name: span for name, span in by_name.items() if name != "batch"}
    assert set(of_job) == {"POST /v1/hooks/{site_id}", "accept", "queue wait", "describe", "deliver", *STAGES}
    assert {span.trace for span in of_job.values()} == {TRACE}
    assert _parents(of_job) == {
        "POST /v1/hooks/{site_id}": "the caller",
        "accept": "POST /v1/hooks/{site_id}",
        "queue wait": "accept",
        "describe": "accept",
        "deliver": "accept",
        **dict.fromkeys(STAGES, "describe"),
    }
    assert {by_name[name].service for name in ("accept", "describe", "deliver")} == {"tagger-api", "tagger-tag", "tagger-deliver"}
    assert {by_name[name].attributes["tagger.job"] for name in ("accept", "describe", "deliver")} == {job_id}
    assert by_name["batch"].trace != TRACE
    assert (by_name["batch"].links, by_name["model"].links) == ({by_name["model"].id}, {by_name["batch"].id})
    callback = next(n for n, request in enumerate(cms.requests) if request.startswith("POST /callback"))
    assert cms.header("traceparent", callback) == f"00-{TRACE}-{by_name['deliver'].id}-01"
    of_event = {
        "request.answered": "POST /v1/hooks/{site_id}",
        "job.described": "describe",
        "delivery.attempted": "deliver",
    }
    logged = _logged(stack.settings.home / "logs")
    for event, name in of_event.items():
        [line] = [line for line in logged if line["event"] == event and "trace_id" in line]
        assert (line["trace_id"], line["span_id"]) == (TRACE, by_name[name].id), event


def _parents(spans: dict[str, Seen]) -> dict[str, str]:
    names = {span.id: name for name, span in spans.items()} | {CALLERS_SPAN: "the caller"}
    return {name: names[span.parent] for name, span in spans.items()}


def test_a_job_of_an_untraced_process_begins_its_trace_in_the_worker(house: WorkerHouse, collector: Collector) -> None:
    """An API of the version before, or one whose traces are off, stores no trace."""
    house.submit(1)
    house.tag()
    house.start("deliver")
    house.until(lambda: bool(collector.spans("deliver") and collector.spans("describe")), "the spans arrive", 60)
    [describe], [deliver] = collector.spans("describe"), collector.spans("deliver")
    assert (describe.parent, deliver.trace, deliver.parent) == ("", describe.trace, describe.id)


def test_each_image_of_a_backfill_has_its_own_trace_with_a_link_to_its_page(house: WorkerHouse, collector: Collector) -> None:
    for number in range(3):
        Image.new("RGB", (8, 8)).save(house.pictures / f"{number}.png")
    spec = {"folder": str(house.pictures), "profile": "general", "locales": ["en"], "deliver": False}
    backfill = Backfill(id="bf_1", site_id="site", kind="folder", spec=spec, started_ms=house.ledger.now_ms())
    house.ledger.start_backfill(backfill)
    assert tracing.start(house.settings, "reconcile")
    assert feed(house.ledger, backfill) == 3
    tracing.close()
    [page], accepts = collector.spans("feed"), collector.spans("accept")
    assert [span.links for span in accepts] == [{page.id}] * 3
    assert len({page.trace, *(span.trace for span in accepts)}) == 4
    stored = [str(job.request.trace).split("-")[1:3] for job in house.ledger.jobs(site_id="site").data]
    assert sorted(stored) == sorted([span.trace, span.id] for span in accepts)
