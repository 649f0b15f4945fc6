"""The embedded broker as a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from tagger.errors import BrokerUnavailable
from tagger.queue.hints import Hints
from tagger.settings import load
from tagger.settings.broker_path import broker_socket
from tagger.supervisor import redis_server


def test_it_starts_in_a_folder_of_this_user_alone_and_stops(tmp_path: Path) -> None:
    with redis_server.start(tmp_path) as running:
        Hints(running.url).ping()
        assert (tmp_path / "broker").stat().st_mode & 0o077 == 0
        assert (tmp_path / "broker.sock").stat().st_mode & 0o077 == 0
    assert not running.alive()
    with pytest.raises(BrokerUnavailable):
        Hints(running.url).ping()


def test_hints_survive_its_death(tmp_path: Path) -> None:
    with redis_server.start(tmp_path) as first:
        hints = Hints(first.url)
        hints.send_many([f"job_{n}" for n in range(100)], "upload")
        assert first.process is not None
        os.kill(first.process.pid, signal.SIGSTOP)  # a server that was frozen, then killed
        first.process.kill()
        first.process.wait()
    with redis_server.start(tmp_path) as second:
        assert Hints(second.url).depth("upload") == 100


def test_a_second_start_joins_the_first(tmp_path: Path) -> None:
    with redis_server.start(tmp_path) as first:
        second = redis_server.start(tmp_path)
        assert second.url == first.url
        second.stop()
        assert first.alive()
        Hints(first.url).ping()


def test_a_long_home_gets_a_short_socket(tmp_path: Path) -> None:
    home = tmp_path / ("h" * 90) / ("i" * 90)
    home.mkdir(parents=True)
    with redis_server.start(home) as running:
        Hints(running.url).ping()
        Hints(load({}, home=home).broker).ping()  # another process finds it by its settings
        assert broker_socket(home).parent.stat().st_mode & 0o077 == 0
    broker_socket(home).parent.rmdir()


@pytest.mark.parametrize("name", ["a?b", "a#b", "%41", "a b", 'it\'s "so"', "é漢", "a;b,c", "l" * 120 + "?"])
def test_hints_arrive_in_a_home_of_any_name(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    found = closing(Hints(load({}, home=home).broker))  # as another process finds the broker: by its settings
    with redis_server.start(home) as running, closing(Hints(running.url)) as ours, found as others:
        ours.send("job_1", "upload")
        assert others.depth("upload") == 1
    assert {path.name for path in tmp_path.iterdir()} == {name}
    if broker_socket(home).parent != home:
        broker_socket(home).parent.rmdir()


def test_a_long_folder_for_temporary_files_leaves_the_socket_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("t" * 100)))
    home = tmp_path / ("h" * 100)
    with redis_server.start(home) as running, closing(Hints(running.url)) as hints:
        hints.ping()
    broker_socket(home).parent.rmdir()


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    home = tmp_path / ("h" * 90) / ("j" * 90)
    home.mkdir(parents=True)
    folder = broker_socket(home).parent
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    try:
        with pytest.raises(BrokerUnavailable, match="belongs to another user"):
            redis_server.start(home)
    finally:
        folder.rmdir()


def test_a_configured_broker_is_used_as_it_is(tmp_path: Path) -> None:
    running = redis_server.open_broker(load({}, home=tmp_path, broker_url="redis://redis.lan:6379/0"))
    assert running.url == "redis://redis.lan:6379/0"
    assert running.process is None


def test_it_never_outlives_its_supervisor(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tagger.supervisor import redis_server\n"
        "b = redis_server.start(Path(sys.argv[1])); print(b.pid, flush=True); time.sleep(60)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    assert int(supervisor.stdout.readline()) > 0
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    with redis_server.start(tmp_path) as fresh:  # waits for the lock that the old server holds until it is gone
        Hints(fresh.url).ping()


def test_a_server_that_cannot_start_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "valkey-server"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(BrokerUnavailable, match="did not start"):
        redis_server.start(tmp_path / "home")
