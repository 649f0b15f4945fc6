"""The loop of the deliverer with a real SQLite ledger and endpoints that the test controls."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tagger.annotation import Annotation, Verdict
from tagger.asset import ImageSource
from tagger.delivery import DeliveryClaim, Endpoint
from tagger.errors import EndpointUnreachable, LedgerUnavailable
from tagger.job import Description, JobRequest
from tagger.ledger import Ledger, open_ledger
from tagger.net import signing
from tagger.net.client import Reply
from tagger.settings import Settings
from tagger.site import Site
from workers.deliver import loop
from workers.runtime.register import registered

SECONDS = 60.0  # no condition of these tests needs that long, on a busy machine either


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        pause.wait(0.01)


class FakeEndpoints:
    """A transport without a network: answers what the test says, per site."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[], Reply]] = {}
        self.lock = threading.Lock()
        self.inside: Counter[str] = Counter()
        self.most_inside: Counter[str] = Counter()
        self.sent: list[str] = []  # webhook ids

    def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply:
        site = endpoint.site_id
        with self.lock:
            self.sent.append(headers["webhook-id"])
            self.inside[site] += 1
            self.most_inside[site] = max(self.most_inside[site], self.inside[site])
        try:
            answer = self.answers.get(site)
            return answer() if answer else written(body)
        finally:
            with self.lock:
                self.inside[site] -= 1

    def close(self) -> None:
        pass


def written(body: bytes) -> Reply:
    fields = json.loads(body)["data"]["fields"]
    answer = {name: {locale: {"outcome": "written"} for locale in locales} for name, locales in fields.items()}
    return Reply(status=200, headers={}, body=json.dumps({"fields": answer}).encode())


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger.migrate()
    ledger.register_worker("tagger", role="tag", lane="upload", host="here", pid=1)
    yield ledger
    ledger.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, deliver_threads=8, deliver_seconds=5)


def add_site(ledger: Ledger, site_id: str) -> None:
    ledger.put_site(Site(id=site_id, name=site_id))
    secrets = (signing.new_secret(),)
    ledger.put_endpoint(Endpoint(id=f"end_{site_id}", site_id=site_id, url="http://cms.example/cb", secrets=secrets))


def describe(ledger: Ledger, site_id: str, asset_id: str, text: str = "A cat", revision: str = "1") -> str:
    """A finished job of which the delivery waits; its delivery's id."""
    source = ImageSource(kind="url", location="http://cms.example/a.jpg")
    request = JobRequest(site_id=site_id, asset_id=asset_id, asset_revision=revision, source=source)
    [accepted] = ledger.accept([request])
    claim = ledger.claim(lane="upload", worker_id="tagger", lease_ms=60_000, job_id=accepted.job_id)
    assert claim is not None
    annotation = Annotation(
        field="alt_text", locale="en", value=text, score=0.9, model="m@1", rules=(), verdict=Verdict(action="publish")
    )
    offer = {"alt_text": {"en": {"value": text, "source": "model", "model": "m@1", "score": 0.9}}}
    result = Description(annotations=(annotation,), verdict=annotation.verdict, sha256="00", width=1, height=1, timings_ms={})
    assert ledger.complete(claim, result, offer)
    delivery_id = ledger.job(claim.job_id).delivery_id
    assert delivery_id is not None
    return delivery_id


class Running:
    """A deliverer in a thread of the test, registered and beating as in its own process."""

    def __init__(self, settings: Settings, ledger: Any, transport: FakeEndpoints) -> None:
        self.stop = threading.Event()
        self.pool = ThreadPoolExecutor(1)
        self.result: Future[None] = self.pool.submit(self._run, settings, ledger, transport)

    def _run(self, settings: Settings, ledger: Any, transport: FakeEndpoints) -> None:
        with registered(ledger, worker_id="deliverer", role="deliver", lane=None, stopping=self.stop):
            loop.run(settings, ledger, "deliverer", self.stop, transport=transport, rng=random.Random(1))

    def end(self) -> None:
        """Errors: whatever ended it before it was asked to."""
        self.stop.set()
        self.result.result(SECONDS)


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[[Any, FakeEndpoints], Running]]:
    started: list[Running] = []

    def begin(ledger: Any, transport: FakeEndpoints) -> Running:
        started.append(Running(settings, ledger, transport))
        return started[-1]

    yield begin
    for running in started:
        running.stop.set()
        running.pool.shutdown(wait=True)


def statuses(ledger: Ledger, site_id: str) -> Counter[str]:
    return Counter(d.status for d in ledger.deliveries(site_id=site_id, limit=500).data)


def test_what_is_due_is_delivered_once_and_the_jobs_are_done(ledger: Ledger, start: Any) -> None:
    add_site(ledger, "news")
    ids = [describe(ledger, "news", f"a{n}") for n in range(30)]
    endpoints = FakeEndpoints()
    running = start(ledger, endpoints)
    until(lambda: statuses(ledger, "news") == {"delivered": 30})
    late = describe(ledger, "news", "late")  # an idle deliverer notices
    until(lambda: ledger.delivery(late).status == "delivered")
    running.end()
    assert sorted(endpoints.sent) == sorted([*ids, late])
    delivery = ledger.delivery(ids[0])
    assert [o.outcome for o in delivery.outcomes] == ["written"]
    assert ledger.job(delivery.job_id).status == "done"


class CountingLedger:
    """The ledger, and how many of the deliverer's claims brought something, and how many nothing."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.good = self.vain = 0

    def claim_deliveries(self, **asked: Any) -> list[DeliveryClaim]:
        found = self._ledger.claim_deliveries(**asked)
        self.good, self.vain = self.good + bool(found), self.vain + (not found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def test_one_site_with_a_backlog_is_not_asked_for_after_each_attempt(
    ledger: Ledger, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim is a transaction. One after each attempt brought nothing most of the time, because the site held enough."""
    monkeypatch.setattr(loop, "POLL_SECONDS", 3.0)
    add_site(ledger, "archive")
    made = {describe(ledger, "archive", f"asset-{n}") for n in range(80)}
    counting, transport = CountingLedger(ledger), FakeEndpoints()
    began = time.monotonic()
    start(counting, transport)
    until(lambda: ledger.stats().deliveries.get("delivered", 0) == len(made))
    polls = (time.monotonic() - began) / loop.POLL_SECONDS
    assert set(transport.sent) == made
    last = 8  # at the end nothing waits: the last attempts ask in vain, one for each thread
    assert counting.vain <= counting.good + polls + last, (counting.good, counting.vain)


def test_a_slow_endpoint_starves_nobody(ledger: Ledger, start: Any) -> None:
    for site in ("slow", "quick"):
        add_site(ledger, site)
        for n in range(40):
            describe(ledger, site, f"a{n}")
    endpoints, gate = FakeEndpoints(), threading.Event()

    def slow() -> Reply:
        assert gate.wait(SECONDS)
        return Reply(status=204, headers={}, body=b"")

    endpoints.answers["slow"] = slow
    start(ledger, endpoints)
    try:
        until(lambda: statuses(ledger, "quick") == {"delivered": 40})  # while the slow one has answered nothing at all
        assert "delivered" not in statuses(ledger, "slow")
        assert endpoints.most_inside["slow"] == 2  # a quarter of the eight threads
    finally:
        gate.set()
    until(lambda: statuses(ledger, "slow") == {"delivered": 40})


def test_stopping_finishes_what_is_under_way_and_hands_back_the_rest(ledger: Ledger, start: Any) -> None:
    add_site(ledger, "news")
    for n in range(20):
        describe(ledger, "news", f"a{n}")
    endpoints, gate = FakeEndpoints(), threading.Event()

    def slow() -> Reply:
        assert gate.wait(SECONDS)
        return Reply(status=204, headers={}, body=b"")

    endpoints.answers["news"] = slow
    running = start(ledger, endpoints)
    until(lambda: endpoints.inside["news"] == 2)
    running.stop.set()
    gate.set()
    running.end()
    assert len(endpoints.sent) == 2
    assert statuses(ledger, "news") == {"delivered": 2, "pending": 18}
    for delivery in ledger.deliveries(status="pending").data:
        assert ledger.attempts(delivery.id) == []


class Flaky:
    """A ledger that is away for the first calls of some methods."""

    def __init__(self, ledger: Ledger, away: dict[str, int]) -> None:
        self._ledger, self._away = ledger, away

    def __getattr__(self, name: str) -> Any:
        if self._away.get(name, 0) > 0:
            self._away[name] -= 1

            def gone(*_args: Any, **_kwargs: Any) -> None:
                raise LedgerUnavailable

            return gone
        return getattr(self._ledger, name)


def test_an_outage_of_the_ledger_loses_nothing_and_sends_nothing_twice(
    ledger: Ledger, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "RETRY_SECONDS", 0.02)
    add_site(ledger, "news")
    delivery_id = describe(ledger, "news", "a")
    endpoints = FakeEndpoints()
    flaky = Flaky(ledger, {"claim_deliveries": 3, "confirm_delivery": 3, "finish_delivery": 3})
    start(flaky, endpoints)
    until(lambda: ledger.delivery(delivery_id).status == "delivered")
    assert endpoints.sent == [delivery_id]


def test_a_fault_of_ours_leaves_no_delivery_in_the_air(ledger: Ledger, start: Any) -> None:
    add_site(ledger, "news")
    delivery_id = describe(ledger, "news", "a")
    endpoints = FakeEndpoints()

    def fault() -> Reply:
        raise RuntimeError("a bug")

    endpoints.answers["news"] = fault
    start(ledger, endpoints)
    until(lambda: len(ledger.attempts(delivery_id)) == 1)
    assert ledger.delivery(delivery_id).status == "pending"
    [attempt] = ledger.attempts(delivery_id)
    assert attempt.error is not None
    assert "RuntimeError" in attempt.error["detail"]


def test_an_endpoint_that_is_away_parks_and_one_command_drains(
    ledger: Ledger, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_site(ledger, "news")
    for n in range(12):
        describe(ledger, "news", f"a{n}")
    endpoints = FakeEndpoints()

    def away() -> Reply:
        raise EndpointUnreachable("nobody listens")

    endpoints.answers["news"] = away
    start(ledger, endpoints)
    until(lambda: statuses(ledger, "news") == {"parked": 12})
    del endpoints.answers["news"]
    ledger.unpark("end_news")
    until(lambda: statuses(ledger, "news") == {"delivered": 12})


def test_a_410_disables_and_parks_and_the_rest_is_not_sent(ledger: Ledger, start: Any) -> None:
    add_site(ledger, "news")
    add_site(ledger, "other")
    describe(ledger, "news", "a")
    endpoints = FakeEndpoints()
    endpoints.answers["news"] = lambda: Reply(status=410, headers={}, body=b"")
    start(ledger, endpoints)
    until(lambda: statuses(ledger, "news") == {"parked": 1})
    describe(ledger, "news", "b")
    describe(ledger, "other", "c")
    until(lambda: statuses(ledger, "other") == {"delivered": 1})
    assert statuses(ledger, "news") == {"parked": 2}
    endpoint = ledger.endpoint_of("news")
    assert endpoint is not None
    assert endpoint.enabled is False


def test_a_delivery_that_was_overtaken_while_it_waited_is_not_sent(ledger: Ledger, start: Any) -> None:
    add_site(ledger, "news")
    old = describe(ledger, "news", "a", "A dog")
    endpoints = FakeEndpoints()
    overtaken = threading.Event()

    class Slow(Flaky):
        def confirm_delivery(self, claim: DeliveryClaim) -> bool:
            if claim.delivery_id == old:  # claimed, but not yet sent: now a newer annotation arrives
                describe(ledger, "news", "a", "A cat", revision="2")
                overtaken.set()
            return ledger.confirm_delivery(claim)

    start(Slow(ledger, {}), endpoints)
    until(lambda: statuses(ledger, "news") == {"superseded": 1, "delivered": 1})
    assert overtaken.is_set()
    assert old not in endpoints.sent
    assert len(endpoints.sent) == 1
