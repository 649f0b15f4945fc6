"""Children end with a parent that is killed, also those that are stopped and hear of nothing but SIGKILL and SIGCONT."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")

WORKER = """
import os, signal, sys
from tagger.system.parent_death import end_with_parent
signal.signal(signal.SIGHUP, lambda *_: (open(sys.argv[2], "w").close(), os._exit(0)))
end_with_parent(int(sys.argv[1]))
os.write(1, b"%d\\n" % os.getpid())  # in one piece: all children share the pipe
while True: signal.pause()
"""
PARENT = f"""
import os, sys, time
from tagger.supervisor.process import popen
life = os.pipe()
server = [sys.executable, "-S", "-c", "import os, time; os.write(1, b'%d\\\\n' % os.getpid()); time.sleep(60)"]
worker = [sys.executable, "-c", {WORKER!r}, str(os.getpid()), sys.argv[1]]
for argv in (server, worker, worker):
    popen(argv, os.environ, life[0], sys.stdout)
time.sleep(60)
"""


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.02)


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("stopped", [False, True])
def test_children_end_with_a_parent_that_is_killed(tmp_path: Path, stopped: bool) -> None:
    in_order = tmp_path / "in-order"
    command = [sys.executable, "-c", PARENT, str(in_order)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [psutil.Process(int(parent.stdout.readline())) for _ in range(3)]
        if stopped:
            for child in children:
                child.suspend()
                until(lambda child=child: child.status() == psutil.STATUS_STOPPED)  # type: ignore[misc]
        parent.kill()
        until(lambda: all(map(gone, children)))
    assert in_order.exists(), "workers end in order, and are continued for it"
