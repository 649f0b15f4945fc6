"""A test of processes may fail once, and the output says so. A second failure, a unit test or a property is never forgiven."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import second_try

TESTS = Path(__file__).parents[2]

ONCE = """
from pathlib import Path

def fail_once(name):
    before = Path(__file__).with_name(f"{name}.failed")
    if not before.exists():
        before.touch()
        print("what it printed before it failed")
        raise RuntimeError("the first failure of " + name)
"""
SHARED = """
import os
from pathlib import Path
import pytest

class Stack:
    def __init__(self): self.closed = False

def count(what):
    with Path(__file__).with_name("stacks.txt").open("a") as file:
        file.write(f"{what} {os.getpid()}\\n")

@pytest.fixture(scope="session")
def stack():
    count("built")
    made = Stack()
    yield made
    made.closed = True
    count("closed")
"""
PROCESSES = """
from once import fail_once

def test_before(stack): assert not stack.closed

def test_fails_once(stack):
    assert not stack.closed
    fail_once("test_fails_once")

def test_after(stack): assert not stack.closed
"""
HARD = """
from hypothesis import given, settings, strategies as st
from once import fail_once

def test_fails_always(stack): raise RuntimeError("again")

@settings(max_examples=1)
@given(st.just(1))
def test_property_fails_once(n): fail_once("property")
"""
UNIT = """
from once import fail_once

def test_unit_fails_once(): fail_once("unit")
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A small suite with the conftest.py of this one."""
    tests = tmp_path / "tests"
    for folder, files in {
        "faults": {"conftest.py": SHARED, "once.py": ONCE, "test_processes.py": PROCESSES, "test_hard.py": HARD},
        "unit": {"once.py": ONCE, "test_unit.py": UNIT},
    }.items():
        (tests / folder).mkdir(parents=True)
        for name, source in files.items():
            (tests / folder / name).write_text(source)
    shutil.copy(TESTS / "conftest.py", tests)
    return tests


def run(suite: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *args]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | {"PYTHONPATH": str(TESTS)}
    return subprocess.run(command, cwd=suite, env=env, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("processes", ["0", "2"])
def test_one_failure_is_forgiven_and_told(suite: Path, processes: str) -> None:
    done = run(suite, "-n", processes, "--dist", "worksteal", "faults/test_processes.py")
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    told = done.stdout.partition(f"= {second_try.TITLE} =")[2]
    for part in ("faults/test_processes.py::test_fails_once", "the first failure of test_fails_once", "what it printed before"):
        assert part in told, done.stdout
    assert "test_before" not in told
    assert told.splitlines()[-1].strip("= ").startswith("3 passed, 1 rerun"), done.stdout
    stacks = [line.split() for line in (suite / "faults" / "stacks.txt").read_text().splitlines()]
    pids = {pid for _, pid in stacks}
    assert sorted(stacks) == sorted([what, pid] for pid in pids for what in ("built", "closed")), "one stack in each process"


def test_nothing_else_is_forgiven(suite: Path) -> None:
    done = run(suite, "faults/test_hard.py", "unit")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    for test in ("test_fails_always", "test_property_fails_once", "test_unit_fails_once"):
        assert f"::{test} - " in done.stdout.partition("short test summary")[2], done.stdout
    assert "3 failed, 1 rerun" in done.stdout
    assert second_try.TITLE not in done.stdout


def test_the_suite_can_be_seen_without_second_tries(suite: Path) -> None:
    done = run(suite, "--reruns=0", "faults/test_processes.py")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 2 passed" in done.stdout


def test_every_place_that_is_named_is_there() -> None:
    missing = [place for place in (*second_try.FOLDERS, *second_try.MODULES) if not (TESTS / place).exists()]
    assert not missing, "mend the lists in tests/support/second_try.py"
    assert not any(place.startswith("unit/") for place in second_try.MODULES)
