"""Two processes that change what is known of one asset at the same time. Only PostgreSQL shows it: SQLite has one writer."""

from __future__ import annotations

import pkgutil
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from support.ledger_cases import World
from support.postgres import Cluster

from tagger.cms.base import Edit
from tagger.delivery import AttemptReport, DeliveryClaim, FieldOutcome
from tagger.ledger import Ledger

CAT, SOFA = ({"id": f"t:{label}", "label": label} for label in ("cat", "sofa"))
EDIT = Edit(asset_id="a", tags_removed=("cat",))
ADDED = FieldOutcome(field="tags", locale="", outcome="written", added=("t:cat", "t:sofa"), removed=())
REPORT = AttemptReport(result="delivered", status=200, duration_ms=5, outcomes=(ADDED,))
BLOCKED = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@pytest.fixture
def world(postgres: Cluster) -> Iterator[World]:
    world = World(postgres.create())
    yield world
    world.ledger.close()


def edit(ledger: Ledger, _claim: DeliveryClaim) -> None:
    ledger.record_edit("s", EDIT)


def answer(ledger: Ledger, claim: DeliveryClaim) -> None:
    assert ledger.finish_delivery(claim, REPORT, random.Random(7)) == "delivered"


Step = Callable[[Ledger, DeliveryClaim], None]
ORDERS = {
    "an answer during an edit": (edit, "tagger.ledger.intake.edits.tags_after_edit", answer),
    "an edit during an answer": (answer, "tagger.ledger.sending.outcomes.tags_after", edit),
}


@pytest.mark.parametrize(("first", "computes", "second"), ORDERS.values(), ids=ORDERS.keys())
def test_neither_an_edit_nor_an_answer_loses_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch, first: Step, computes: str, second: Step
) -> None:
    """Each reads the tags of the asset and stores them whole. So the second one waits until the first one is committed."""
    offered = [{**tag, "score": 0.9, "category": ""} for tag in (CAT, SOFA)]
    world.ledger.complete(world.claimed(world.accept("a")), world.tagged(offered), {"tags": {"add": [CAT, SOFA], "remove": []}})
    [claim] = world.deliverable()
    real = pkgutil.resolve_name(computes)
    others: list[Future[None]] = []

    with world.second_process() as other, ThreadPoolExecutor(1) as pool:

        def computed_meanwhile(*known: Any, **more: Any) -> Any:
            """The first transaction has read the tags. The second one runs now: it ends, or it waits for a lock."""
            if not others:
                others.append(pool.submit(second, other, claim))
                _until_ended_or_blocked(others[0], world)
            return real(*known, **more)

        monkeypatch.setattr(computes, computed_meanwhile)
        first(world.ledger, claim)
        others[0].result(20)
    world.described("a", "2")
    [newer] = world.deliverable()
    assert (newer.provenance_tags, newer.editor_tags) == (("t:sofa",), ("t:cat",))


def _until_ended_or_blocked(future: Future[None], world: World) -> None:
    began = time.monotonic()
    while not future.done() and not world.ledger._read(lambda conn: conn.execute(BLOCKED).scalar_one()):
        assert time.monotonic() - began < 20, "it neither ended nor waited"
        time.sleep(0.02)
