"""The files of deploy/: each command exists, each setting exists, and systemd itself finds no fault."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from tagger.cli.main import app
from tagger.settings import Settings

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
WHERE = "/opt/tagger/bin/tagger"


def parses(command: list[str]) -> bool:
    """Whether `tagger …` takes these arguments; nothing is run."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    name, chosen, rest = group.resolve_command(typer.Context(group), command)
    assert chosen is not None
    chosen.make_context(name, rest)
    return True


def settings_named(text: str) -> set[str]:
    named = set(re.findall(r"\bTAGGER_([A-Z_]+)=", text))
    return {name.lower().removesuffix("_file") for name in named}


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_a_unit_calls_a_command_and_names_settings_that_exist(unit: Path) -> None:
    text = unit.read_text("utf-8")
    [command] = re.findall(r"^ExecStart=(.+)$", text, flags=re.M)
    program, *arguments = shlex.split(command)
    assert program == WHERE
    assert parses(arguments)
    assert settings_named(text) <= Settings.model_fields.keys()


def test_the_example_of_an_environment_names_settings_that_exist() -> None:
    named = settings_named((ROOT / "deploy" / "systemd" / "tagger.env.example").read_text("utf-8"))
    assert named
    assert named <= Settings.model_fields.keys()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    """With a program that is there: the real one is installed only on the machine of an operator."""
    for file in (ROOT / "deploy" / "systemd").glob("tagger*.*"):
        (tmp_path / file.name).write_text(file.read_text("utf-8").replace(WHERE, "/bin/true"))
    whole = [str(path) for path in tmp_path.iterdir() if path.suffix in (".service", ".target") and "@" not in path.name]
    whole += [str(tmp_path / path.name.replace("@", "@3")) for path in UNITS if "@" in path.name]
    done = subprocess.run(["systemd-analyze", "verify", *whole], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
