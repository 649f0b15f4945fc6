"""A backfill worker lowers the priority of its whole session, because nice counts only inside a session."""

from __future__ import annotations

import os
import subprocess
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

GROUP = Path("/proc/self/autogroup")
ROOT = Path(__file__).parents[4]


def session(code: str) -> str:
    """What `code` prints in a process with a session of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, start_new_session=True, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(not GROUP.exists(), reason="this system has no automatic groups")
def test_the_session_steps_back_and_its_children_follow() -> None:
    own = "import os; from workers.runtime import priority; priority.lower_priority(); "
    own += "print(os.nice(0), open('/proc/self/autogroup').read())"
    assert session(own).split()[0] == "19"
    assert session(own).endswith("nice 19")
    child = "from workers.runtime import priority; priority.lower_session_priority(); print(priority.GROUP.read_text())"
    start = f"subprocess.run([sys.executable, '-c', {child!r}], start_new_session=True)"
    family = f"import subprocess, sys; from workers.runtime import priority; priority.lower_priority(); {start}"
    assert session(family).endswith("nice 19")


@pytest.mark.skipif(not GROUP.exists(), reason="this system has no automatic groups")
def test_a_session_that_others_share_keeps_its_place() -> None:
    """A worker started by hand: niced for good, the group of its terminal got a hundredth of a busy machine."""
    worker = "from workers.runtime import priority; import os; priority.lower_priority(); print(os.nice(0))"
    ask = "print(open('/proc/self/autogroup').read())"
    assert session(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {worker!r}]); {ask}").split()[0] == "19"
    assert session(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {worker!r}]); {ask}").endswith("nice 0")


def test_an_upload_worker_keeps_its_place() -> None:
    assert session("from workers.runtime import priority; import os; priority.lower_session_priority(); print(os.nice(0))") == "0"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this policy")
def test_all_threads_and_children_of_a_worker_that_computes_wait_for_their_turn() -> None:
    ask = "import os; print(os.sched_getscheduler(0) == os.SCHED_BATCH)"
    thread = f"threading.Thread(target=lambda: exec({ask!r})).start()"
    child = f"subprocess.run([sys.executable, '-c', {ask!r}])"
    worker = "import subprocess, sys, threading; from workers.runtime import priority; priority.use_batch_scheduling()"
    family = f"{worker}; {thread}; {child}"
    assert session(family).split() == ["True", "True"]
    assert session(ask) == "False"


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


@pytest.mark.skipif(not GROUP.exists(), reason="this system has no automatic groups")
def test_a_run_that_was_started_nicely_stays_so() -> None:
    stops = "def stop(_): raise SystemExit(open('/proc/self/autogroup').read())"
    imports = "from workers.roles import tag\nfrom tagger.settings import load\nfrom tagger.telemetry.probe_server import Probes"
    run = f"{imports}\n{stops}\ntag.on_processor = stop\n"
    tried = "try: tag.run(load({}), 'backfill', Probes(), alone=True)\nexcept SystemExit as end: print(end)"
    code = f"import os; os.nice(5)\n{run}\n{tried}"
    assert session(code).endswith("nice 5")


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
