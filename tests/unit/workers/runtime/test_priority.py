"""Which workers step back, which have a processor of their own, and which ask for batch scheduling."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from tagger.settings import load
from tagger.supervisor.plan import ProcessPlan
from tagger.system.cpus import allowed
from tagger.telemetry.probe_server import Probes
from workers.__main__ import main
from workers.roles import tag
from workers.runtime import priority


def test_only_a_backfill_beside_uploads_steps_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tagger describe` has no uploads: at nice 19 on a busy machine its workers missed their beats, and got nowhere."""

    def options(plan: ProcessPlan) -> set[str]:
        return {" ".join(child.argv[child.argv.index("--lane") :]) for child in plan.children() if "tag-b" in child.name}

    few = allowed() + 1
    assert options(ProcessPlan(upload=1, backfill=few)) == {"--lane backfill"}
    assert options(ProcessPlan(upload=0, backfill=few)) == {"--lane backfill --alone"}
    stepped: list[str] = []
    monkeypatch.setattr(priority, "lower_priority", lambda: stepped.append("back"))
    monkeypatch.setattr(tag, "on_processor", lambda _: called("then"))
    for lane, alone in (("upload", False), ("backfill", True), ("backfill", False)):
        with pytest.raises(_Called):
            tag.run(load({}, home=tmp_path), lane, Probes(), alone=alone)
        stepped.append(lane)
    assert stepped == ["upload", "backfill", "back", "backfill"]
    with pytest.raises(SystemExit):
        main(["tag", "--lane", "upload", "--alone"])


def test_where_there_is_a_worker_for_each_processor_each_has_its_own() -> None:
    def given(plan: ProcessPlan, lane: str) -> list[str]:
        argvs = [child.argv for child in plan.children() if child.name.startswith(f"tag-{lane}-")]
        return [argv[argv.index("--processor") + 1] for argv in argvs if "--processor" in argv]

    every = [str(n) for n in range(allowed())]
    beside = ProcessPlan(upload=allowed(), backfill=allowed())
    assert (given(beside, "upload"), given(beside, "backfill")) == (every, [])
    assert given(ProcessPlan(upload=0, backfill=allowed()), "backfill") == every
    assert given(ProcessPlan(upload=allowed() + 1, backfill=0), "upload") == []


def test_a_container_with_a_share_of_a_machine_keeps_to_none_of_its_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them would take the first few, and leave the others idle."""
    monkeypatch.setattr("tagger.system.cpus.quota", lambda: 1.5)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    plan = ProcessPlan.of(load({}))
    assert plan.upload == 2
    assert not any("--processor" in child.argv for child in plan.children())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds a thread to processors")
@pytest.mark.parametrize("number", [0, 4096, None])
def test_a_models_thread_keeps_to_its_processor_while_a_backlog_waits_and_no_longer(number: int | None) -> None:
    usable = os.sched_getaffinity(0)
    backlog = iter((False, True, True, False))
    seen: list[set[int]] = []

    def own_thread() -> None:
        cpu_pin = priority.CpuPin(number, lambda: next(backlog))
        for _ in range(4):
            cpu_pin.update()
            seen.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=own_thread)
    thread.start()
    thread.join()
    own = {min(usable)} if number == 0 else usable
    assert seen == [usable, own, own, usable]
    assert os.sched_getaffinity(0) == usable, "only the model's thread"


class _Called(Exception):
    """What was called first."""


def called(name: str) -> NoReturn:
    raise _Called(name)


@pytest.mark.parametrize(("model", "first"), [("lite", "batch_scheduling"), ("fake", "sized")])
def test_only_workers_without_a_device_ask_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, first: str
) -> None:
    monkeypatch.setattr(priority, "use_batch_scheduling", lambda: called("batch_scheduling"))
    monkeypatch.setattr(tag, "sized", lambda _: called("sized"))
    with pytest.raises(_Called, match=first):
        tag.run(load({}, home=tmp_path, caption=model, embed=model), "upload", Probes())
