"""Faults that end the process of an engine, tested with real processes and the fake model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from workers.models.fake import HANGS, HUNGRY, KILLS, POISONS, RAISES, SPOILS, Colour
from workers.models.fake_device import busy_share, read_uses

# Prints one JSON line per picture that was answered, then the engine's state.
CHILD = r"""
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
import structlog
from workers.inference.engine import Engine
from workers.inference.engine_options import EngineLimits
from workers.models import fake

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
options = json.loads(sys.argv[1])
limits = EngineLimits(**{"max_batch": 8, "wait_ms": 20, **options["engine"]})
engine = Engine(lambda: fake.load(Path(options["model_dir"])), limits)
engine.start()
assert engine.wait_ready(20)

def ask(colour):
    try:
        said = engine.predict(np.full((16, 16, 3), colour, dtype=np.uint8), deadline=time.monotonic() + 20)
        answer = said.caption.text
    except Exception as err:
        answer = type(err).__name__
    sys.stdout.write(json.dumps([colour, answer]) + "\n")  # in one piece, beside the other threads
    sys.stdout.flush()

with ThreadPoolExecutor(32) as pool:
    list(pool.map(ask, options["colours"]))
time.sleep(options["linger"])
print(json.dumps(engine.state), flush=True)
engine.close()
"""


def child(
    tmp_path: Path, colours: list[Colour], *, linger: float = 0, lock: Path | None = None, **engine: Any
) -> subprocess.Popen[str]:
    spec = {"a_ms": 4, "b_ms": 1, "lock_path": "" if lock is None else str(lock)}
    (tmp_path / "fake.json").write_text(json.dumps(spec))
    options = {"model_dir": str(tmp_path), "engine": engine, "colours": colours, "linger": linger}
    command = [sys.executable, "-c", CHILD, json.dumps(options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(process: subprocess.Popen[str]) -> tuple[int, dict[Colour, str], Any, str]:
    """Exit status, answer per colour, the last state printed, and stderr."""
    out, err = process.communicate(timeout=30)
    lines = [json.loads(line) for line in out.splitlines() if line.startswith(("[[", '"'))]
    answers = {tuple(line[0]): line[1] for line in lines if isinstance(line, list)}
    state = next((line for line in lines if isinstance(line, str)), None)
    return process.returncode, answers, state, err


GOOD: list[Colour] = [(10, 20, i) for i in range(20)]


def is_caption(answer: str) -> bool:
    return answer.startswith("a ")


def test_a_hung_kernel_that_keeps_the_gil_ends_the_process_at_the_batch_deadline(tmp_path: Path) -> None:
    started = time.monotonic()
    status, answers, state, err = outcome(child(tmp_path, [*GOOD, HANGS], batch_seconds=1.0))
    assert status == 1
    assert state is None
    assert HANGS not in answers
    assert "Timeout" in err
    assert "fake.py" in err, "the traceback names the call that hung"
    assert time.monotonic() - started < 15


def test_a_poisoned_device_ends_the_process_with_its_own_status_and_charges_nobody(tmp_path: Path) -> None:
    status, answers, state, _ = outcome(child(tmp_path, [*GOOD, POISONS]))
    assert (status, state) == (70, None)
    assert all(is_caption(answer) for answer in answers.values())


def test_garbage_is_noticed_and_ends_the_process(tmp_path: Path) -> None:
    status, _, state, _ = outcome(child(tmp_path, [SPOILS], linger=20, canary_seconds=0.2, canary_retry_seconds=0.05))
    assert (status, state) == (70, None)


def test_a_picture_that_raises_and_one_that_is_hungry_cost_their_neighbours_nothing(tmp_path: Path) -> None:
    status, answers, state, _ = outcome(child(tmp_path, [*GOOD, RAISES, HUNGRY]))
    assert (status, state) == (0, "ready")
    assert answers.pop(RAISES) == "PoisonImage"
    assert set(answers) == {*GOOD, HUNGRY}
    assert all(is_caption(answer) for answer in answers.values())


def test_a_picture_that_kills_kills(tmp_path: Path) -> None:
    status, _, _, _ = outcome(child(tmp_path, [KILLS]))
    assert status == -signal.SIGKILL


@pytest.mark.parametrize("processes", [3])
def test_processes_share_one_device_and_never_use_it_at_once(tmp_path: Path, processes: int) -> None:
    lock = tmp_path / "device.lock"
    children = [child(tmp_path, GOOD * 3, lock=lock) for _ in range(processes)]
    assert [outcome(process)[0] for process in children] == [0] * processes
    uses = read_uses(lock)
    assert len({use.pid for use in uses}) == processes
    assert all(before.end_ns <= after.start_ns for before, after in pairwise(uses))
    assert 0 < busy_share(uses, uses[0].start_ns, uses[-1].end_ns) <= 1
    warm = processes * (1 + 4 + 8 + 1)
    assert sum(use.images for use in uses) == processes * 3 * len(GOOD) + warm
