"""Two processes that collect at different times collect the same tests."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.case_names import LONGEST_VALUE, case_name, refused

TESTS = Path(__file__).parents[2]
VALUES_OF_A_MOMENT = """
import gzip, os, time, pytest

@pytest.mark.parametrize(("body", "words"), [(gzip.compress(os.urandom(9)), "x"), (b"plain", "caf\\u00e9"), (b"", "caf\\u00e8")])
def test_it(body, words): ...
"""
NAMED_BY_ITSELF = """
import pytest

@pytest.mark.parametrize("value", [object()], ids=repr)
def test_it(value): ...
"""


def collect(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(TESTS / "conftest.py", folder)
    (folder / "test_them.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "test_them.py"]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_a_value_that_differs_from_run_to_run_names_no_case(tmp_path: Path) -> None:
    done = collect(tmp_path, VALUES_OF_A_MOMENT)
    names = [line.partition("[")[2] for line in done.stdout.splitlines() if "[" in line]
    assert names == ["body-x]", "body-words0]", "body-words1]"], done.stdout + done.stderr


def test_a_name_that_holds_an_address_in_memory_is_refused(tmp_path: Path) -> None:
    done = collect(tmp_path, NAMED_BY_ITSELF)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "an address in memory" in done.stderr


def test_only_a_plain_word_names_its_case() -> None:
    assert case_name("a plain word", "words") is None
    assert case_name(3, "number") is None
    for value in (b"word", gzip.compress(b"x"), "two\nlines", "caf\u00e9", "back\\slash", "x" * (LONGEST_VALUE + 1)):
        assert case_name(value, "data") == "data"


def test_a_whole_name_is_plain_and_short() -> None:
    assert refused("test_it[a plain word-3]") == ""
    for name in ("test_it[caf\u00e9]", "test_it[a\x1bb]", r"test_it[\x1f]", "test_it[" + "x" * 300 + "]", "test_it[<o at 0x7f>]"):
        assert refused(name), name
