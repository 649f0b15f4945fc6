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

from tagger.settings import load
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
