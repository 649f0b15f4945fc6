"""Where a command reads the callback secret of a site."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from tagger.cli.callback_secret import VARIABLE, callback_secret
from tagger.cli.main import app
from tagger.errors import BadRequest
from tagger.net import signing

SECRET = signing.new_secret()


def test_a_file_is_read_and_comes_before_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, signing.new_secret())
    (tmp_path / "secret").write_text(SECRET + "\n")
    assert callback_secret(tmp_path / "secret") == SECRET


def test_without_a_file_the_variable_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    assert callback_secret(None) == SECRET


@pytest.mark.parametrize("content", [b"", b"\n", b"hunter2", b"whsec_\xff"], ids=["empty", "a line", "no secret", "bytes"])
def test_a_file_without_a_secret_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(BadRequest) as caught:
        callback_secret(tmp_path / "secret")
    assert "hunter2" not in f"{caught.value} {caught.value.remedy}"


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(BadRequest, match="is not set"):
        callback_secret(None)
    with pytest.raises(BadRequest, match="No such file"):
        callback_secret(tmp_path / "nowhere")


def test_no_command_takes_a_secret_as_an_argument() -> None:
    """Each user of a machine can read the arguments of every process."""
    found, groups = [], [("tagger", typer.main.get_command(app))]
    while groups:
        name, command = groups.pop()
        if isinstance(command, typer.core.TyperGroup):
            groups += [(f"{name} {child}", inner) for child, inner in command.commands.items()]
        for parameter in command.params:
            if {"--secret", "--password", "--token"} & set(parameter.opts):
                found.append((name, parameter.opts))
    assert found == []
