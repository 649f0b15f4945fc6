"""The memory of a tag worker with the lite models that has nothing to do: `bench/idle.py` measures the whole stack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MOST_MIB = 180  # of its own; it was 258 with onnxruntime's arena, MiniLM's session and what glibc kept
LOAD = """
import sys, threading
from pathlib import Path
import workers.roles.tag as role
from tagger.settings import load
from workers.runtime.idle_memory import give_back
home = Path(sys.argv[1])
settings = role.sized(load({}, home=home, caption="lite", embed="lite"))
models = role.start_models(settings, on_fatal=role.FatalHook())
models.wait_ready(threading.Event())
scorer = role.scorer(models.plan, settings.vectors, models)
role.SiteRules.load(home, scorer, instructed=False).prepare([])
give_back()
print("own", next(line.split()[1] for line in open("/proc/self/smaps_rollup") if line.startswith("Pss_Anon:")))
models.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what belongs to a process alone")
def test_an_idle_worker_keeps_little_memory(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-P", "-c", LOAD, str(tmp_path)], capture_output=True, text=True, check=True)
    [kib] = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("own ")]
    assert 50 < int(kib) / 1024 < MOST_MIB
