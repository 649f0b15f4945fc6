"""Settings from files: `TAGGER_<SETTING>_FILE`, and passwords that are given apart from their URL."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tagger.errors import SettingsError
from tagger.settings import child_env, load
from tagger.supervisor import redis_server


def secret(folder: Path, name: str, text: str | bytes) -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_any_setting_may_come_from_a_file(tmp_path: Path) -> None:
    made = load({
        "TAGGER_HOME": str(tmp_path),
        "TAGGER_ADMIN_KEY_FILE": secret(tmp_path, "admin", "operator\n"),
        "TAGGER_EVENTS_SECRET_FILE": secret(tmp_path, "events", "\ufeffwhsec_abc\r\n"),
        "TAGGER_LEDGER_URL_FILE": secret(tmp_path, "url", "postgresql://u:p@db/t"),
        "TAGGER_API_PORT_FILE": secret(tmp_path, "port", "9000"),
        "TAGGER_EVENTS_URL_FILE": "",
    })  # fmt: skip
    assert (made.admin_key, made.events_secret) == (SecretStr("operator"), SecretStr("whsec_abc"))
    assert (made.ledger, made.api_port, made.events_url) == ("postgresql://u:p@db/t", 9000, "")
    child = load(child_env(made, {}, role="api"))
    assert (child.admin_key, child.ledger) == (made.admin_key, made.ledger), "a child gets the text, and needs no file"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (" \n", "is empty"), (b"\xff\xfe\x00", "not UTF-8"), ("x" * 70_000, "more than")],
    ids=["absent", "empty", "bytes", "long"],
)
def test_a_file_that_gives_no_secret_is_named_and_not_quoted(tmp_path: Path, content: str | bytes | None, words: str) -> None:
    path = str(tmp_path / "admin") if content is None else secret(tmp_path, "admin", content)
    with pytest.raises(SettingsError, match=f"TAGGER_ADMIN_KEY_FILE: .*{words}") as told:
        load({"TAGGER_ADMIN_KEY_FILE": path}, home=tmp_path)
    assert "xxx" not in str(told.value)


def test_a_wrong_text_in_a_file_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TAGGER_API_PORT"):
        load({"TAGGER_API_PORT_FILE": secret(tmp_path, "port", "many")}, home=tmp_path)


def test_a_setting_is_given_once(tmp_path: Path) -> None:
    env = {"TAGGER_ADMIN_KEY": "one", "TAGGER_ADMIN_KEY_FILE": secret(tmp_path, "admin", "two")}
    with pytest.raises(SettingsError, match="TAGGER_ADMIN_KEY and TAGGER_ADMIN_KEY_FILE are both set"):
        load(env, home=tmp_path)
    assert load({**env, "TAGGER_ADMIN_KEY": ""}, home=tmp_path).admin_key == SecretStr("two"), "an empty variable is not set"


@pytest.mark.parametrize("name", ["TAGGER_ADMIN_KYE_FILE", "TAGGER_HOME_FILE", "TAGGER_FILE"])
def test_a_file_for_no_setting_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: no such setting"):
        load({name: secret(tmp_path, "file", "x")}, home=tmp_path)


ODD = "p@s/s:w;rd?#%"
QUOTED = "p%40s%2Fs%3Aw%3Brd%3F%23%25"


@pytest.mark.parametrize(
    ("given", "opened"),
    [
        ("postgresql://tagger@db:5432/tagger?sslmode=require", f"postgresql://tagger:{QUOTED}@db:5432/tagger?sslmode=require"),
        ("sqlite:////data/ledger.sqlite", "sqlite:////data/ledger.sqlite"),
    ],
)
def test_the_ledgers_password_goes_into_its_url(tmp_path: Path, given: str, opened: str) -> None:
    made = load({}, home=tmp_path, ledger_url=given, ledger_password=ODD)
    assert made.ledger == opened
    assert ODD not in repr(made)
    assert QUOTED not in repr(made)
    assert load(child_env(made, {}, role="tag")).ledger == opened


@pytest.mark.parametrize(
    ("given", "opened"),
    [
        ("redis://redis:6379/0", f"redis://:{QUOTED}@redis:6379/0"),
        ("sentinel://a:1/0;sentinel://b:2/0", f"sentinel://:{QUOTED}@a:1/0;sentinel://:{QUOTED}@b:2/0"),
        ("redis+socket:///run/redis.sock", "redis+socket:///run/redis.sock"),
    ],
)
def test_the_brokers_password_goes_into_its_url(tmp_path: Path, given: str, opened: str) -> None:
    made = load({}, home=tmp_path, broker_url=given, broker_password=ODD)
    assert made.broker == opened
    assert redis_server.open_broker(made).url == opened, "the supervisor's children get the same"


def test_one_password_for_one_url(tmp_path: Path) -> None:
    for kind, url in (("ledger", "postgresql://u:p@db/t"), ("broker", "redis://:p@redis/0")):
        with pytest.raises(SettingsError, match=f"{kind}_password: the URL holds a password"):
            load({}, home=tmp_path, **{f"{kind}_url": url, f"{kind}_password": "q"})


def test_without_a_url_the_password_is_of_no_use_and_does_no_harm(tmp_path: Path) -> None:
    made = load({}, home=tmp_path, broker_password="p", ledger_password="p")
    assert (made.broker, made.ledger) == (load({}, home=tmp_path).broker, load({}, home=tmp_path).ledger)
