"""A stack of processes that only sleep: it starts, publishes its state, restarts dead processes, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagger.asset import ImageSource
from tagger.job import JobRequest
from tagger.ledger import open_ledger
from tagger.settings import load
from tagger.site import Site
from tagger.supervisor import on_demand
from tagger.supervisor import stack as supervisor
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.process import popen
from tagger.system.home import read_state


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_a_fallen_process_is_replaced_and_told_and_the_end_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeping = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(supervisor, "popen", lambda _argv, env, life, out: popen(sleeping, env, life, out))
    settings = load({}, home=tmp_path, broker_url="redis://127.0.0.1:1", api_port=0)
    stack = supervisor.Stack(settings, ProcessPlan(upload=0, backfill=1))

    def told() -> dict[str, int]:
        state = read_state(tmp_path)
        assert state is not None
        return dict(state["children"])  # type: ignore[call-overload]

    stack.start()
    try:
        before = told()
        assert set(before) == {"api", "deliver", "reconcile", "tag-backfill-0"}
        assert (tmp_path / "metrics").is_dir()
        os.kill(before["deliver"], signal.SIGKILL)
        until(lambda: told().get("deliver") not in (None, before["deliver"]))
        assert {name: pid for name, pid in told().items() if name != "deliver"} == {
            name: pid for name, pid in before.items() if name != "deliver"
        }
    finally:
        assert stack.stop(grace=5) == []
    assert read_state(tmp_path) is None
    assert not (tmp_path / "stack.json").exists()


@pytest.mark.parametrize("assets", ["12", "1"], ids=["two at a time", "one that nobody takes"])
def test_the_second_worker_of_uploads_runs_only_while_uploads_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, assets: str
) -> None:
    sleeping = [sys.executable, "-S", "-c", "import signal, sys, time; signal.signal(15, lambda *_: sys.exit()); time.sleep(60)"]
    monkeypatch.setattr(supervisor, "popen", lambda _argv, env, life, out: popen(sleeping, env, life, out))
    monkeypatch.setattr(on_demand, "QUIET_SECONDS", {"upload": 0.5})
    settings = load({}, home=tmp_path, broker_url="redis://127.0.0.1:1", api_port=0)
    stack = supervisor.Stack(settings, ProcessPlan(upload=2, upload_on_demand=True, backfill=0))

    def worker(name: str) -> int | None:
        state = read_state(tmp_path)
        assert state is not None
        return dict(state["children"]).get(name)  # type: ignore[call-overload]

    stack.start()
    ledger = open_ledger(settings.ledger)
    try:
        first = worker("tag-upload-0")
        assert (first is not None, worker("tag-upload-1")) == (True, None)
        ledger.add_site(Site(id="s", name="s"))
        source = ImageSource(kind="url", location="https://cms.example/1.jpg")
        jobs = ledger.accept([JobRequest(site_id="s", asset_id=asset, source=source) for asset in assets])  # nobody claims them
        until(lambda: worker("tag-upload-1"))
        for job in jobs:
            ledger.cancel(job.job_id)
        until(lambda: worker("tag-upload-1") is None)
        assert worker("tag-upload-0") == first, "one worker of uploads always runs"
    finally:
        ledger.close()
        assert stack.stop(grace=5) == []


def test_a_worker_of_backfills_runs_only_while_its_lane_has_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeping = [sys.executable, "-S", "-c", "import signal, sys, time; signal.signal(15, lambda *_: sys.exit()); time.sleep(60)"]
    monkeypatch.setattr(supervisor, "popen", lambda _argv, env, life, out: popen(sleeping, env, life, out))
    monkeypatch.setattr(on_demand, "QUIET_SECONDS", {"solo": 0.5, "backfill": 0.5})
    settings = load({}, home=tmp_path, broker_url="redis://127.0.0.1:1", api_port=0)
    stack = supervisor.Stack(settings, ProcessPlan(upload=1, backfill=1, backfill_on_demand=True))

    def worker() -> int | None:
        state = read_state(tmp_path)
        assert state is not None
        return dict(state["children"]).get("tag-backfill-0")  # type: ignore[call-overload]

    stack.start()
    ledger = open_ledger(settings.ledger)
    try:
        assert worker() is None
        ledger.add_site(Site(id="s", name="s"))
        source = ImageSource(kind="url", location="https://cms.example/1.jpg")
        [job] = ledger.accept([JobRequest(site_id="s", asset_id="1", source=source, lane="backfill")])
        first = until(worker)
        os.kill(first, signal.SIGKILL)
        second = until(lambda: worker() not in (None, first) and worker())
        ledger.cancel(job.job_id)
        until(lambda: worker() is None)
        assert not Path(f"/proc/{second}").exists() or sys.platform != "linux"
        [job] = ledger.accept([JobRequest(site_id="s", asset_id="2", source=source, lane="backfill")])
        assert until(worker) != second, "it comes again"
    finally:
        ledger.close()
        assert stack.stop(grace=5) == []
