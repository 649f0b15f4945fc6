"""What a command or a process imports before it works. `bench/start.py` measures the time that this saves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tagger.cli.registry import PLACES, Commands, help_of

LIBRARIES = {
    "alembic", "celery", "fastapi", "jsonschema", "kombu", "numpy", "onnxruntime", "openpyxl", "PIL", "prometheus_client",
    "rdflib", "redis", "regex", "requests", "sqlalchemy", "structlog", "tokenizers", "torch", "urllib3", "uvicorn", "yaml",
}  # fmt: skip
OURS = {
    "tagger.alttext.rules", "tagger.api.app", "tagger.api.shapes", "tagger.catalog.load", "tagger.cms.registry", "tagger.ledger",
    "tagger.settings",
}  # fmt: skip
LEDGER = {"sqlalchemy", "structlog", "tagger.ledger", "tagger.settings"}
RUN = """
import sys
sys.argv = sys.argv[1:]
from tagger.cli.main import main
try:
    main()
finally:
    print("modules", *sys.modules)
"""
NONE: set[str] = set()
CASES: Mapping[str, set[str]] = {"--help": NONE, "--version": NONE, "status": LEDGER, "sites list": LEDGER, "keys --help": LEDGER}
ROLE = LEDGER | {"prometheus_client"}


def modules(home: Path, *argv: str) -> set[str]:
    env = {**os.environ, "TAGGER_HOME": str(home)}
    out = subprocess.run([sys.executable, "-P", *argv], env=env, check=True, capture_output=True, text=True).stdout
    return set(out.splitlines()[-1].split()[1:])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a ledger: a migration imports Alembic."""
    made = tmp_path_factory.mktemp("home")
    modules(made, "-c", RUN, "tagger", "migrate")
    return made


@pytest.mark.parametrize("arguments", CASES)
def test_a_short_command_imports_only_what_it_uses(home: Path, arguments: str) -> None:
    loaded = modules(home, "-c", RUN, "tagger", *arguments.split())
    assert "tagger.cli.main" in loaded
    assert (LIBRARIES | OURS) & loaded <= CASES[arguments]


@pytest.mark.parametrize("arguments", ["--help", "--version"])
def test_the_help_of_tagger_imports_no_command(home: Path, arguments: str) -> None:
    assert not [name for name in modules(home, "-c", RUN, "tagger", arguments) if name.startswith("tagger.cli.commands.")]


@pytest.mark.parametrize("name", PLACES)
def test_the_help_that_is_read_from_the_source_is_the_help_of_the_command(name: str) -> None:
    assert help_of(PLACES[name]).split("\n\n")[0] == Commands()[name].help.split("\n\n")[0]


@pytest.mark.parametrize(
    ("role", "needed"),
    [
        ("deliver", ROLE | {"tagger.cms.registry", "urllib3"}),
        # kombu imports yaml; backfills and sweeps read the library of a CMS
        ("reconcile", ROLE | {"celery", "kombu", "redis", "tagger.cms.registry", "urllib3", "yaml"}),
    ],
)
def test_a_role_imports_only_what_it_uses(home: Path, role: str, needed: set[str]) -> None:
    loaded = modules(home, "-c", f"import sys, workers.__main__, workers.roles.{role}; print('modules', *sys.modules)")
    assert (LIBRARIES | OURS) & loaded <= needed
