"""`tagger sites add` without a name asks for everything; with options it asks for nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tagger.cli.commands import site_add
from tagger.cli.main import app
from tagger.net.signing import new_secret

ANSWERS = ("blog", "flickr", "generic", "http://127.0.0.1:9/tagger", "y", "nonsense", "news", "de, pt_BR", "n")


def tagger(home: Path, *arguments: str, answers: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["--home", str(home), *arguments], input=answers)
    return done.exit_code, done.output


def test_it_walks_through_every_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_add, "_on_terminal", lambda: True)
    code, said = tagger(tmp_path / "home", "sites", "add", answers="\n".join(ANSWERS) + "\n")
    assert code == 0, said
    assert said.count("whsec_") == 2
    assert "There is no 'flickr'." in said
    assert "There is no 'nonsense'." in said
    shown = json.loads(tagger(tmp_path / "home", "sites", "show", "blog")[1])
    assert (shown["cms"], shown["profile"], shown["locales"]) == ("generic", "news", ["de", "pt-BR"])
    assert shown["endpoint"]["id"] == "http://127.0.0.1:9/tagger"


def test_a_script_is_not_asked(tmp_path: Path) -> None:
    code, said = tagger(tmp_path / "home", "sites", "add")
    assert code != 0
    assert "Short name of the site" not in said


def test_the_secrets_that_the_cms_has_are_taken(tmp_path: Path) -> None:
    hook, callback = new_secret(), new_secret()
    for name, secret in (("hook", hook), ("callback", callback), ("bad", "letmein")):
        (tmp_path / name).write_text(secret + "\n", "ascii")
    add = ("sites", "add", "blog", "--endpoint", "https://blog.example/tagger", "--json")
    files = ("--hook-secret-file", str(tmp_path / "hook"), "--callback-secret-file")
    assert tagger(tmp_path / "home", *add, *files, str(tmp_path / "bad"))[0] != 0
    code, said = tagger(tmp_path / "home", *add, *files, str(tmp_path / "callback"))
    assert code == 0, said
    assert (json.loads(said)["hook_secret"], json.loads(said)["callback_secret"]) == (hook, callback)
