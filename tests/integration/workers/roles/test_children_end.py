"""Each kind of child process ends when its parent is killed, also a child that is stopped and so cannot see its input close.

The children of `tagger up` are in tests/acceptance/test_up.py.
Decoders in every state are in tests/integration/workers/decode/test_decode_pool.py.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from PIL import Image
from support.processes import command_of, has_ended

ROOT = Path(__file__).parents[4]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")

PARENT = """
import os, sys, time
from pathlib import Path
from tagger.settings import load
home = Path(sys.argv[1])
settings = load({}, home=home, caption="fake", embed="fake", model_dir=home, decode_processes=1)
"""
BROKER = "from tagger.supervisor import redis_server; redis_server.start(home)"
RENDITIONS = "from tagger.services.renditions import Renditions; made = Renditions(settings); made.opens(home / 'a.png')"
LIBRARY = "from tagger.demo import scene; scene._start_library(home, 'http://127.0.0.1:9', 'whsec_AAAA', 'whsec_AAAA')"
WEIGHTS = "from tagger.cli.commands import models; models.asked('pull', ['ofa-caption'], settings)"
ASK = """
from tagger.catalog.load import load_catalog
from tagger.cli import worker_rpc
vocabulary = "categories: {things: {name: Things, terms: {cat: {label: cat}}}}"
paths = [str(home / "a.png"), str(home / "never-comes")]
asked = worker_rpc.ask("images", {"vocabulary": open(sys.argv[2]).read(), "profile": "general", "images": paths}, settings)
print(next(asked), flush=True)
"""
DECODER = "workers.decode.child"
KINDS = {
    "the broker": (BROKER, ["server"]),
    "the process that makes renditions": (RENDITIONS, ["workers.renditions", DECODER]),
    "the sample media library": (LIBRARY, ["tagger.demo.media_library"]),
    "a fetch of weights": (WEIGHTS, ["workers.models.weights"]),
    "a question to the models": (ASK, ["workers.ask", DECODER]),
}


def until(condition: Callable[[], bool], what: str, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def commands(parent: psutil.Process) -> list[tuple[psutil.Process, str]]:
    """The processes below this one, each with its command, once it is no longer the launcher's."""
    found = [(child, " ".join(command_of(child))) for child in parent.children(recursive=True)]
    return [(child, line) for child, line in found if line and "prctl" not in line]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_child_of_a_killed_parent_ends(tmp_path: Path, kind: str) -> None:
    script, wanted = KINDS[kind]
    (tmp_path / "logs").mkdir()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "never-comes")  # whoever reads it waits
    vocabulary = ROOT / "tagger/catalog/vocabularies/general.yaml"
    command = [sys.executable, "-c", f"{PARENT}{script}\ntime.sleep(600)", str(tmp_path), str(vocabulary)]
    with (tmp_path / ".ofa-caption.lock").open("w") as lock, (tmp_path / "parent.log").open("w+") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a fetch of weights waits for whoever has it
        parent = psutil.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:

            def all_there() -> bool:
                assert parent.poll() is None, (tmp_path / "parent.log").read_text()
                return all(any(word in line for _, line in commands(parent)) for word in wanted)

            until(all_there, f"{wanted} run")
            children = [child for child, _ in commands(parent)]
            for child in children:
                child.suspend()
        finally:
            parent.kill()
            parent.wait()
        try:
            until(lambda: all(map(has_ended, children)), f"{kind} ends with its parent", 10)
        finally:
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
