"""Operator events: each is logged and counted once, and sent as a signed webhook until the receiver accepts it."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.ledger_cases.world import World

from tagger.circuit import LEAST, TELL_AGAIN_MS
from tagger.delivery import SCHEDULE_MS, Endpoint
from tagger.errors import EndpointUnreachable, SettingsError
from tagger.net import signing
from tagger.net.client import Reply
from tagger.settings import Settings
from tagger.telemetry.metrics import EVENTS
from workers.deliver.events import EventSender

SECRET = signing.new_secret()
TAKEN = Reply(status=204, headers={}, body=b"")


class Operator:
    """Takes the messages of the events' own webhook."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.answer: Reply | Exception = TAKEN
        self.ids: list[str] = []

    def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply:
        assert endpoint.url == "https://ops.example/tagger"
        self.ids.append(signing.verify([SECRET], headers, body, time.time()))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is TAKEN:
            self.taken.append(json.loads(body))
        return self.answer

    def close(self) -> None:
        pass


@pytest.fixture
def world(tmp_path: Any) -> Iterator[World]:
    world = World.on_sqlite(tmp_path / "ledger.sqlite")
    yield world
    world.ledger.close()


def event_sender(world: World, operator: Operator, **settings: Any) -> EventSender:
    asked = {"events_url": "https://ops.example/tagger", "events_secret": SECRET, **settings}
    return EventSender(Settings(**asked), world.ledger, operator, random.Random(1))


def step(event_sender: EventSender) -> list[Any]:
    """What it logged."""
    with capture_logs() as logs:
        event_sender.step(threading.Event())
    return [(line["event"], line["log_level"]) for line in logs]


def count(kind: str) -> float:
    return EVENTS.labels(kind)._value.get()


def test_a_410_is_told_once_in_log_metrics_and_webhook(world: World) -> None:
    operator, before = Operator(), count("endpoint.disabled")
    world.described("a")
    world.described("b")
    first, second = world.deliverable()
    world.finish(first, "disable")
    world.finish(second, "disable")  # was under way already
    told = event_sender(world, operator)
    assert step(told) == [("endpoint.disabled", "error")]
    assert count("endpoint.disabled") == before + 1
    [message] = operator.taken
    assert message["type"] == "endpoint.disabled"
    assert (message["data"]["site"], message["data"]["endpoint"]) == ("s", "end_s")
    assert "tagger sites resume s" in message["data"]["remedy"]
    world.later(7 * 86_400)
    assert step(told) == []
    assert len(operator.ids) == 1


def test_an_endpoint_that_goes_away_is_told_of_and_not_again_within_ten_minutes(world: World) -> None:
    operator = Operator()
    told = event_sender(world, operator)
    for number in range(LEAST):
        world.described(f"a{number}")
    for claim in world.deliverable():
        world.finish(claim, "park")
    assert step(told) == [("endpoint.failing", "error")]
    assert operator.taken[0]["data"]["parks"] is True
    for seconds, news in ((6, []), (TELL_AGAIN_MS / 1000, [("endpoint.failing", "error")])):  # it comes back, and goes again
        world.later(seconds)
        while claims := world.deliverable():
            for claim in claims:
                world.finish(claim, "delivered")
        for number in range(LEAST):
            world.described(f"a{number}", f"after {world.now}")
        for claim in world.deliverable():
            world.finish(claim, "park")
        assert step(told) == news


def test_a_webhook_that_is_not_taken_is_sent_again_on_the_schedule_with_the_same_id_and_logged_once(world: World) -> None:
    operator = Operator()
    world.described("a")
    world.finish(world.deliverable()[0], "reject")
    answers = (EndpointUnreachable("nobody listens"), Reply(status=500, headers={}, body=b""), TAKEN)
    told = event_sender(world, operator)
    logged = []
    for number, answer in enumerate(answers):
        operator.answer = answer
        logged += step(told)
        assert step(told) == []  # not before its time
        world.later(SCHEDULE_MS[number] * 1.3 / 1000)
    assert logged == [("delivery.exhausted", "error"), *[("operator_event.refused", "warning")] * 2]
    assert len(set(operator.ids)) == 1
    assert operator.taken[0]["data"]["asset"] == {"id": "a"}


def test_a_webhook_that_is_never_taken_ends_and_is_said_so(world: World) -> None:
    operator = Operator()
    operator.answer = Reply(status=500, headers={}, body=b"")
    world.described("a")
    world.finish(world.deliverable()[0], "reject")
    told = event_sender(world, operator)
    with capture_logs() as logs:
        for _ in range(len(SCHEDULE_MS) + 3):
            told.step(threading.Event())
            world.later(2 * SCHEDULE_MS[-1] / 1000)
    assert len(operator.ids) == len(SCHEDULE_MS) + 1
    assert [line["given_up"] for line in logs if "given_up" in line] == [False] * len(SCHEDULE_MS) + [True]


def test_what_a_process_took_with_it_is_told_by_another(world: World) -> None:
    world.described("a")
    world.finish(world.deliverable()[0], "reject")
    [taken] = world.ledger.claim_events(limit=5, lease_ms=60_000)  # and then it dies
    operator = Operator()
    assert step(event_sender(world, operator)) == []
    world.later(61)
    step(event_sender(world, operator))
    assert operator.ids == [taken.id]


def test_without_a_webhook_the_log_is_enough(world: World) -> None:
    operator = Operator()
    world.described("a")
    world.finish(world.deliverable()[0], "reject")
    told = event_sender(world, operator, events_url="")
    assert step(told) == [("delivery.exhausted", "error")]
    world.later(3600)
    assert step(told) == []
    assert operator.ids == []


@pytest.mark.parametrize("secret", [None, "whsec_short", "not one"])
def test_an_address_without_a_usable_secret_ends_the_process_with_a_clear_word(world: World, secret: str | None) -> None:
    with pytest.raises(SettingsError, match="events_secret"):
        event_sender(world, Operator(), events_secret=secret)
