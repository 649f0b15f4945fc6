"""`tagger webhooks listen | test | verify`; the listener as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.house import ROOT, TAGGER, called, clean_env, told
from tagger.net import signing
from tagger.system.home import free_port


@pytest.fixture
def site(tmp_path: Path) -> dict[str, str]:
    """A site whose endpoint is this machine's port, at which nobody listens yet."""
    port = str(free_port())
    url = f"http://127.0.0.1:{port}/callback"
    added = told("sites", "add", "blog", "--endpoint", url, "--allow-private", home=tmp_path)
    return {"port": port, "secret": added["callback_secret"]}


@pytest.fixture
def listener(site: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [*TAGGER, "webhooks", "listen", "--port", site["port"]]
    env = clean_env(TAGGER_HOME=str(tmp_path), NO_COLOR="1", PYTHONUNBUFFERED="1", TAGGER_CALLBACK_SECRET=site["secret"])
    with subprocess.Popen(argv, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        assert site["port"] in process.stdout.readline()
        yield process
        process.kill()


def test_a_test_message_arrives_signed_and_a_silent_endpoint_is_told_of(
    site: dict[str, str], listener: subprocess.Popen[str], tmp_path: Path
) -> None:
    found = told("webhooks", "test", "--site", "blog", home=tmp_path)
    assert (found["ok"], found["status"]) == (True, 204)
    listener.send_signal(signal.SIGINT)
    printed, _ = listener.communicate(timeout=20)
    assert printed.startswith("tst_")
    assert "webhook.test" in printed
    assert "Traceback" not in printed
    silent = called("webhooks", "test", "--site", "blog", home=tmp_path)
    assert silent.returncode == 1
    assert "no answer" in silent.stdout
    assert site["secret"] not in silent.stdout + silent.stderr
    unknown = called("webhooks", "test", "--site", "nobody", home=tmp_path)
    assert (unknown.returncode, "Traceback" in unknown.stderr) == (1, False)


def test_after_a_rotation_the_old_secret_still_verifies_and_a_wrong_one_does_not(
    site: dict[str, str], listener: subprocess.Popen[str], tmp_path: Path
) -> None:
    fresh = told("sites", "rotate", "blog", "--callback", home=tmp_path)["secret"]
    assert told("webhooks", "test", "--site", "blog", home=tmp_path)["ok"] is True, "the listener knows the old one only"
    told("sites", "rotate", "blog", "--callback", "--finish", home=tmp_path)
    refused = called("webhooks", "test", "--site", "blog", "--json", home=tmp_path)
    assert (refused.returncode, json.loads(refused.stdout)["status"]) == (1, 401)
    assert "secret" in json.loads(refused.stdout)["remedy"]
    assert fresh not in refused.stdout


def test_a_recorded_message_is_verified(site: dict[str, str], tmp_path: Path) -> None:
    body = b'{"type": "asset.described"}'
    headers = signing.sign([site["secret"]], "dlv_1", int(time.time()), body)
    (tmp_path / "headers.txt").write_text("\n".join(f"{name}: {value}" for name, value in headers.items()))
    (tmp_path / "body.json").write_bytes(body)
    words = ["webhooks", "verify", str(tmp_path / "headers.txt"), str(tmp_path / "body.json")]
    assert "Valid: dlv_1" in called(*words, home=tmp_path, TAGGER_CALLBACK_SECRET=site["secret"]).stdout
    other = called(*words, home=tmp_path, TAGGER_CALLBACK_SECRET=signing.new_secret())
    assert (other.returncode, "No signature fits" in other.stderr) == (1, True)
