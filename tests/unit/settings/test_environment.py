"""What the environment says: an orchestrator's own variables are passed over, and a line break at the end of a secret goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tagger.errors import SettingsError
from tagger.ledger.db.engine import parse_url
from tagger.settings import child_env, load

# As a pod sees them (kubernetes.io, "Discovering services") beside the services tagger, tagger-api and tagger-metrics.
KUBERNETES = {
    f"TAGGER{service}_{name}": text
    for service in ("", "_API", "_METRICS")
    for name, text in {
        "SERVICE_HOST": "10.0.171.239",
        "SERVICE_PORT": "8400",
        "SERVICE_PORT_HTTP": "8400",
        "PORT": "tcp://10.0.171.239:8400",
        "PORT_8400_TCP": "tcp://10.0.171.239:8400",
        "PORT_8400_TCP_PROTO": "tcp",
        "PORT_8400_TCP_PORT": "8400",
        "PORT_8400_TCP_ADDR": "10.0.171.239",
    }.items()
}


def test_the_variables_of_kubernetes_stop_nothing(tmp_path: Path) -> None:
    assert load(KUBERNETES, home=tmp_path) == load({}, home=tmp_path)
    ipv6 = {"TAGGER_SERVICE_HOST": "fd00::1", "TAGGER_PORT": "tcp://[fd00::1]:80", "TAGGER_PORT_53_UDP": "udp://10.0.0.1:53"}
    assert load(ipv6, home=tmp_path) == load({}, home=tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TAGGER_PORT", "8400"),
        ("TAGGER_API_PROT", "tcp://10.0.0.1:80"),
        ("TAGGER_SERVICE_HOST", "see below"),
        ("TAGGER_PORTS", "tcp://10.0.0.1:80"),
        ("TAGGER_API_PORT", "many"),
        ("TAGGER_SERVICE_PORT", "http"),
    ],
)
def test_what_only_looks_like_one_of_them_is_still_named(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load({name: text}, home=tmp_path)


def test_a_persons_port_counts_beside_them(tmp_path: Path) -> None:
    assert load({**KUBERNETES, "TAGGER_API_PORT": "9000"}, home=tmp_path).api_port == 9000


def test_white_space_around_a_text_goes(tmp_path: Path) -> None:
    env = {
        "TAGGER_ADMIN_KEY": "key\n",
        "TAGGER_EVENTS_SECRET": " whsec_abc\r\n",
        "TAGGER_API_PORT": "9000 \n",
        "TAGGER_HOME": f"{tmp_path}\n",
        "TAGGER_MODEL_DIR": f"{tmp_path}/a b \n",
        "TAGGER_LEDGER_URL": "\n",
    }
    made = load(env)
    assert (made.admin_key, made.events_secret) == (SecretStr("key"), SecretStr("whsec_abc"))
    assert (made.api_port, made.home, made.ledger_url) == (9000, tmp_path, "")
    assert made.model_dir == tmp_path / "a b ", "a folder's name may end in a blank, and hardly in a line break"
    child = load(child_env(made, {}))
    assert (child.home, child.model_dir, child.api_port) == (made.home, made.model_dir, made.api_port)


@pytest.mark.parametrize(
    "url", ["foo://x:secret@h", "amqp://h", "nonsense", "http://h", "redis://h:port", "redis://h:99999", "://"]
)
def test_a_broker_that_cannot_be_is_named_and_its_password_is_not(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="TAGGER_BROKER_URL: ") as caught:
        load({"TAGGER_BROKER_URL": url}, home=tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://h", "rediss://:pw@h:6380/1", "redis+socket:///run/x.sock", "sentinel://h:26379", ""])
def test_a_broker_of_redis_is_taken(tmp_path: Path, url: str) -> None:
    assert load({"TAGGER_BROKER_URL": url}, home=tmp_path).broker_url == url


def test_other_urls_are_looked_at_too(tmp_path: Path) -> None:
    for url in ("ftp://h/x", "h/x", "http://h:port/"):
        with pytest.raises(SettingsError, match="TAGGER_EVENTS_URL: "):
            load({"TAGGER_EVENTS_URL": url}, home=tmp_path)
    with pytest.raises(SettingsError, match="ledger_url: the port is not a number"):
        parse_url("postgresql://h:port/x")
