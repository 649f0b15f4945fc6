"""The Flower events of a job without a broker: the state in the ledger, in order, and none if another worker sends them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.house import called
from support.ledger_cases.world import BROKEN, FIELDS, World, description

from tagger.blobs.local import LocalBlobs
from tagger.errors import ImageTooLarge, LedgerUnavailable
from tagger.services.ingest import Ingest
from workers.pipeline.task_events import MAX_EVENTS, TaskEvents


class Wire:
    """A dispatcher that remembers; with `away` its broker is away."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.away = False

    def send(self, type: str, **fields: Any) -> None:
        self.sent.append((type, fields))

    def flush(self) -> None:
        if self.away:
            raise redis.ConnectionError

    def types(self) -> list[str]:
        return [type_.removeprefix("task-") for type_, _ in self.sent]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.on_sqlite(tmp_path / "ledger.sqlite")
    yield made
    made.ledger.close()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def events(world: World, wire: Wire) -> TaskEvents:
    made = TaskEvents(world.ledger, clock=lambda: 5.0)
    made.attach(wire)
    return made


def test_a_success_is_told_with_site_and_asset(world: World, events: TaskEvents, wire: Wire) -> None:
    claim = world.claimed(world.accept("a'b\x1b\u202e"))
    events.started(claim)
    assert world.ledger.complete(claim, description(), FIELDS)
    events.settled(claim, "described", 0.25)
    assert wire.sent == [], "they go out together"
    events.flush()
    assert wire.types() == ["received", "started", "succeeded"]
    assert {fields["uuid"] for _, fields in wire.sent} == {claim.job_id}
    assert ast.literal_eval(wire.sent[0][1]["kwargs"]) == {"site": "s", "asset": "a'b\x1b\u202e"}
    assert wire.sent[0][1]["kwargs"].isprintable()
    assert wire.sent[2][1]["runtime"] == 0.25


@pytest.mark.parametrize(
    ("error", "end", "told"), [(BROKEN, "failed", "retried"), (ImageTooLarge("Too large.").info(), "dead", "failed")]
)
def test_a_failure_is_told_as_the_ledger_ruled(
    world: World, events: TaskEvents, wire: Wire, error: Any, end: Any, told: str
) -> None:
    claim = world.claimed(world.accept("a"))
    world.ledger.fail(claim, error, {})
    events.settled(claim, end, 1)
    events.flush()
    [(type_, fields)] = wire.sent
    assert (type_, fields["exception"]) == (f"task-{told}", f"{error.code}: {error.detail}")


def test_a_job_given_back_is_told_at_once_unless_another_worker_has_it(world: World, events: TaskEvents, wire: Wire) -> None:
    world.worker("w2")
    claim = world.claimed(world.accept("a"))
    world.ledger.release(claim)
    events.settled(claim, "released", 1)
    assert wire.types() == ["retried"]
    world.claimed(claim.job_id, worker="w2")
    for end in ("released", "stale"):
        events.settled(claim, end, 1)
        events.flush()
    assert wire.types() == ["retried"], "the other worker tells of it now"


def test_a_stale_end_is_told_as_what_became_of_the_job(world: World, events: TaskEvents, wire: Wire) -> None:
    superseded, cancelled = (world.claimed(world.accept(asset)) for asset in "ab")
    world.accept("a", "2")
    world.ledger.cancel(cancelled.job_id)
    for claim in (superseded, cancelled):
        events.settled(claim, "stale", 1)
    events.flush()
    assert wire.types() == ["revoked", "revoked"]


def test_a_job_that_a_hint_named_in_vain_is_told_of_only_if_no_worker_does(world: World, events: TaskEvents, wire: Wire) -> None:
    done, running, waiting, erased = (world.accept(asset) for asset in "abcd")
    assert world.ledger.complete(world.claimed(done), description(), FIELDS)
    world.claimed(running)
    world.ledger.erase_asset("s", "d")
    for job in (done, running, waiting, erased):
        events.not_claimed(job)
    events.flush()
    assert wire.sent == []
    world.ledger.cancel(waiting)
    events.not_claimed(waiting)
    events.flush()
    assert wire.types() == ["received", "revoked"], "Flower learns of the asset too"


def test_nothing_is_lost_while_the_consumer_reconnects_and_memory_is_bounded(
    world: World, events: TaskEvents, wire: Wire
) -> None:
    claim = world.claimed(world.accept("a"))
    events.detach()
    for _ in range(MAX_EVENTS):
        events.settled(claim, "described", 1)
    events.flush()
    assert wire.sent == []
    events.started(claim)
    events.attach(wire)
    wire.away = True
    events.flush()
    assert len(wire.sent) == MAX_EVENTS
    assert wire.types()[-2:] == ["received", "started"], "the newest stay"


def test_a_ledger_that_is_away_ends_no_task(world: World, events: TaskEvents, wire: Wire) -> None:
    def away(_job_id: str) -> Any:
        raise LedgerUnavailable

    claim = world.claimed(world.accept("a"))
    events._ledger = type("Away", (), {"job": staticmethod(away), "job_status": staticmethod(away)})()
    events.settled(claim, "abandoned", 1)
    events.not_claimed(claim.job_id)
    events.flush()
    assert wire.types() == ["retried"]


class Sent:
    def __init__(self) -> None:
        self.hints: list[tuple[str, str]] = []

    def hint(self, job_id: str, lane: str) -> None:
        self.hints.append((job_id, lane))


def test_who_supersedes_a_job_that_waits_for_a_retry_has_it_told(world: World, tmp_path: Path) -> None:
    sent = Sent()
    ingest = Ingest(world.ledger, LocalBlobs(tmp_path / "blobs"), sent)  # type: ignore[arg-type]
    waiting = world.accept("a")
    world.ledger.fail(world.claimed(waiting), BROKEN, {})
    fresh = ingest.accept(world.request("a", "2"))
    assert sent.hints == [(fresh.job_id, "upload"), (waiting, "upload")]


def test_a_job_is_cancelled_by_hand_also_where_no_broker_answers(world: World, tmp_path: Path) -> None:
    done = called("jobs", "cancel", world.accept("a"), home=tmp_path)
    assert (done.returncode, "is cancelled" in done.stdout) == (0, True), done.stderr
