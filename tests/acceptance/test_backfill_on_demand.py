"""Under `tagger up` the workers of backfills run only while there are jobs for them; nothing is lost by it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.house import FAKE, called, tagger, until
from acceptance.pictures import png
from tagger.ledger import open_ledger
from tagger.settings import load
from tagger.supervisor import on_demand
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.stack import Stack
from tagger.system.home import read_state


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("demand") / "home"
    home.mkdir()
    (home / "fake.json").write_text('{"a_ms": 50, "b_ms": 50}')
    settings = load({}, home=home, model_dir=home, api_port=0, **FAKE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_demand, "QUIET_SECONDS", {"solo": 1.0, "backfill": 1.0})
        made = Stack(settings, ProcessPlan(upload=1, backfill=1, backfill_on_demand=True))
        made.start()
        try:
            assert made.wait_ready(90) == []
            assert called("sites", "add", "s", home=home).returncode == 0
            yield made
        finally:
            made.stop()


def images(folder: Path, number: int, red: int) -> Path:
    folder.mkdir()
    for n in range(number):
        (folder / f"{n}.png").write_bytes(png((red, n, 9)))
    return folder


def workers(stack: Stack) -> dict[str, int]:
    with contextlib.closing(open_ledger(stack.settings.ledger)) as ledger:
        return dict(ledger.stats().workers)


def children(stack: Stack) -> dict[str, int]:
    state = read_state(stack.settings.home)
    assert state is not None
    return dict(state["children"])  # type: ignore[call-overload]


def backfill(stack: Stack, folder: Path) -> str:
    """In a process of its own: the supervisor's thread logs in this one, to the output that a call here would read."""
    arguments = ("backfill", "start", "--folder", str(folder), "--site", "s", "--no-follow", "--json")
    begun = tagger(*arguments, home=stack.settings.home)
    assert begun.returncode == 0, begun.stderr
    return str(json.loads(begun.stdout)["id"])


def done(stack: Stack, backfill_id: str) -> bool:
    with contextlib.closing(open_ledger(stack.settings.ledger)) as ledger:
        found = ledger.backfill(backfill_id)
        return found.status == "done" and not found.counts.get("dead")


def test_a_backfill_starts_its_worker_which_goes_when_the_lane_is_quiet(stack: Stack, tmp_path: Path) -> None:
    assert workers(stack).keys() == {"tag:upload", "deliver", "reconcile"}, "nothing to do: nobody who would do it"
    began = backfill(stack, images(tmp_path / "few", 4, 10))
    until(lambda: workers(stack).get("tag:backfill"), "the worker is registered")
    until(lambda: done(stack, began), "the backfill ends", 120)
    until(lambda: "tag:backfill" not in workers(stack), "the worker went")
    until(lambda: "tag-backfill-0" not in children(stack), "the supervisor knows that it went")
    assert "stack.fell" not in (stack.settings.home / "logs" / "tag-backfill-0.log").read_text()


def test_a_killed_worker_of_a_backfill_is_replaced_and_no_image_is_lost(stack: Stack, tmp_path: Path) -> None:
    began = backfill(stack, images(tmp_path / "more", 40, 20))
    until(lambda: stack.in_hands(), "it works")
    os.kill(stack.pid_of("tag-backfill-0"), signal.SIGKILL)
    until(lambda: done(stack, began), "the backfill ends", 120)
