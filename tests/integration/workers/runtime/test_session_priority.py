"""A backfill worker lowers the priority of its whole session, because nice counts only inside a session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.skipif(not GROUP.exists(), reason="this system has no automatic groups")
def test_a_run_that_was_started_nicely_stays_so() -> None:
    stops = "def stop(_): raise SystemExit(open('/proc/self/autogroup').read())"
    imports = "from workers.roles import tag\nfrom tagger.settings import load\nfrom tagger.telemetry.probe_server import Probes"
    run = f"{imports}\n{stops}\ntag.on_processor = stop\n"
    tried = "try: tag.run(load({}), 'backfill', Probes(), alone=True)\nexcept SystemExit as end: print(end)"
    code = f"import os; os.nice(5)\n{run}\n{tried}"
    assert session(code).endswith("nice 5")
