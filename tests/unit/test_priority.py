"""A backfill worker steps back with its whole session, since nice alone counts only within one; who computes is left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GROUP = Path("/proc/self/autogroup")
ROOT = Path(__file__).parent.parent.parent


def session(code: str) -> str:
    """What `code` prints in a process with a session of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, start_new_session=True, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(not GROUP.exists(), reason="this system has no automatic groups")
def test_the_session_steps_back_and_its_children_follow() -> None:
    own = "import os; from workers import priority; priority.step_back(); print(os.nice(0), open('/proc/self/autogroup').read())"
    assert session(own).split()[0] == "19"
    assert session(own).endswith("nice 19")
    child = "from workers import priority; priority.follow(); print(priority.GROUP.read_text())"
    start = f"subprocess.run([sys.executable, '-c', {child!r}], start_new_session=True)"
    family = f"import subprocess, sys; from workers import priority; priority.step_back(); {start}"
    assert session(family).endswith("nice 19")


def test_an_upload_worker_keeps_its_place() -> None:
    assert session("from workers import priority; import os; priority.follow(); print(os.nice(0))") == "0"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this policy")
def test_all_threads_and_children_of_a_worker_that_computes_wait_for_their_turn() -> None:
    ask = "import os; print(os.sched_getscheduler(0) == os.SCHED_BATCH)"
    thread = f"threading.Thread(target=lambda: exec({ask!r})).start()"
    child = f"subprocess.run([sys.executable, '-c', {ask!r}])"
    family = f"import subprocess, sys, threading; from workers import priority; priority.compute(); {thread}; {child}"
    assert session(family).split() == ["True", "True"]
    assert session(ask) == "False"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which processors a process may use")
def test_a_worker_keeps_to_the_nth_of_the_processors_that_it_may_use() -> None:
    kept = "import os; from workers import priority; mine = sorted(os.sched_getaffinity(0)); priority.keep_to({n}); "
    tell = "print(os.sched_getaffinity(0) == {{mine[{n} % len(mine)]}})"
    for n in (0, 1, 1000):
        assert session((kept + tell).format(n=n)) == "True"
