"""The command line in a broken environment: a full disk, closed or narrow streams, a port in use, a missing broker."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from acceptance.house import Running, clean_env, until
from tagger.ledger import open_ledger
from tagger.settings import Settings
from tagger.system.home import free_port, listens, make_home

FULL = "ulimit -f 4; trap '' XFSZ; "  # no file may grow beyond a few KiB


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_home(tmp_path / "home")
    ledger = open_ledger(Settings(home=tmp_path / "home").ledger)
    ledger.migrate()
    ledger.close()
    return tmp_path / "home"


def shell(line: str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`line` with `tagger` as the command and `$DIR` as the folder beside the home."""
    line = line.replace("tagger ", f"{sys.executable} -m tagger ")
    env = clean_env(TAGGER_HOME=str(home), DIR=str(home.parent), **more)
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, env=env, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("line", ["tagger backup $DIR/copy.sqlite", "tagger vocabulary export general $DIR/words.yaml"])
def test_a_full_disk_is_named_and_nothing_half_is_left(home: Path, line: str) -> None:
    done = shell(FULL + line, home)
    assert done.returncode == 1
    assert line.split("/")[-1] in done.stderr
    assert sorted(path.name for path in home.parent.iterdir()) == ["home"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_ends_no_command(home: Path, closed: str) -> None:
    assert shell(f"tagger jobs list {closed}", home).returncode == 0


def test_letters_that_a_terminal_lacks_are_written_out(home: Path) -> None:
    done = shell("tagger sites add blog --name Müller‐漢", home, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    done = shell("tagger sites list", home, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr


def test_a_taken_port_of_flower_is_told(home: Path) -> None:
    pytest.importorskip("flower")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = shell(f"tagger flower --port {taken.getsockname()[1]}", home)
    assert (done.returncode, "port_taken" in done.stderr) == (1, True)
    assert shell("tagger flower --port 99999", home).returncode == 2


@pytest.mark.parametrize("url", ["redis://:hunter2@127.0.0.1:9/0", "sentinel://127.0.0.1:9"])
def test_the_doctor_says_where_the_broker_is_missing_and_why(home: Path, url: str) -> None:
    done = shell("tagger doctor", home, TAGGER_BROKER_URL=url)
    broker = done.stdout[done.stdout.index("Broker:") :]
    assert "127.0.0.1:9" in broker
    assert "→ Start the broker, or correct `broker_url`." in broker
    assert "hunter2" not in done.stdout
    assert ("Connection refused" in broker) or url.startswith("sentinel")


@pytest.mark.parametrize(
    "line", ["dead-letters list --since yesterday", "webhooks listen --secret-file /dev/null", "jobs show nope"]
)
def test_no_remedy_speaks_of_a_request(home: Path, line: str) -> None:
    done = shell(f"tagger {line}", home)
    assert done.returncode == 1
    assert "send the request again" not in done.stderr
    assert "A key reads only" not in done.stderr


def test_flower_answers_to_names_of_this_machine_only(home: Path) -> None:
    """Under a name of its own that means this machine, a page of a stranger would read the assets of all sites."""
    pytest.importorskip("flower")
    port = free_port()
    with Running("flower", "--port", str(port), home=home, log=home / "flower.log"):
        until(lambda: listens("127.0.0.1", port), "Flower listens")
        url = f"http://127.0.0.1:{port}/tasks"
        answers = {
            name: requests.get(url, headers={"Host": name}, timeout=10).status_code
            for name in (f"127.0.0.1:{port}", f"localhost:{port}", f"stranger.example:{port}")
        }
    assert list(answers.values()) == [200, 200, 403]
