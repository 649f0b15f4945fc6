"""No file of the folder in which a person calls tagger is run as a part of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tagger.system import interpreter
from tagger.system.parent_death import die_with_parent

ROOT = Path(__file__).parents[3]
PLANTED = ("json", "ctypes", "struct", "structlog", "tagger", "workers")


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """A folder with files that are named like modules."""
    for name in PLANTED:
        (tmp_path / f"{name}.py").write_text(f"open('ran-{name}', 'w').close()\nraise SystemExit('planted')\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [interpreter.module("tagger", "--version"), die_with_parent([sys.executable, "-S", "-P", "-c", "print('tagger')"])],
    ids=["a module", "the launcher"],
)
def test_a_planted_module_does_not_run(downloads: Path, command: list[str]) -> None:
    done = subprocess.run(command, cwd=downloads, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("tagger"), done.stderr
    assert not list(downloads.glob("ran-*"))


def test_every_process_that_is_python_is_started_by_that_one_module() -> None:
    sources = [file for package in ("tagger", "workers") for file in (ROOT / package).rglob("*.py")]
    starts = [str(f.relative_to(ROOT)) for f in sources if re.search(r"sys\.executable,\s*[\"'*]", f.read_text("utf-8"))]
    assert starts == ["tagger/system/interpreter.py"]
