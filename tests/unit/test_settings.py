"""Settings: where they come from, what is refused, and what a child process gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tagger.errors import SettingsError
from tagger.settings import child_env, load


def test_the_environment_wins_over_the_file_and_options_over_both(tmp_path: Path) -> None:
    (tmp_path / "tagger.toml").write_text("threads = 8\nmax_batch = 4\nwindow = 7\n")
    found = load({"TAGGER_HOME": str(tmp_path), "TAGGER_MAX_BATCH": "5", "TAGGER_WINDOW": "9"}, window=11)
    assert (found.threads, found.max_batch, found.window) == (8, 5, 11)


@pytest.mark.parametrize("text", ["thraeds = 8", "threads = 'many'", "threads = ", "home = '/elsewhere'", "[table]\nx = 1"])
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "tagger.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"tagger\.toml"):
        load({}, home=tmp_path)


def test_a_child_has_the_same_settings_and_none_of_the_callers_own(tmp_path: Path) -> None:
    config = tmp_path / "production.toml"
    config.write_text('ledger_url = "postgresql://production"\nblob_dir = "/production"\n')
    env = {"TAGGER_CONFIG": str(config), "TAGGER_HOME": str(tmp_path), "TAGGER_ADMIN_KEY": "secret", "PATH": "/bin"}
    caller = load(env)
    own = caller.model_copy(update={"ledger_url": "", "blob_dir": None})
    child = load(child_env(own, env))
    assert child == own
    assert child.ledger.startswith("sqlite:///")
    assert child.admin_key == SecretStr("secret")
    assert child_env(own, env)["PATH"] == "/bin"
