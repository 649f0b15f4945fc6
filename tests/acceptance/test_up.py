"""`tagger up`: it starts, drains, comes back to its jobs, lets no second one in, and leaves no orphan however it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from acceptance.house import Running, alive, family, tagger, told, until
from acceptance.pictures import png
from tagger.home import free_port, read_state
from tagger.ledger import open_ledger

FAKE = {
    "TAGGER_CAPTION": "fake", "TAGGER_EMBED": "fake", "TAGGER_THREADS": "8", "TAGGER_MAX_BATCH": "8",
    "TAGGER_DECODE_PROCESSES": "1", "TAGGER_TAG_PROCESSES": "1",
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "models").mkdir(parents=True)
    return tmp_path / "home"


def up(home: Path, name: str = "up", **more: str) -> Running:
    return Running("up", "--port", "0", home=home, log=home.parent / f"{name}.log", **{**FAKE, **more})


def api_of(home: Path) -> str:
    state = read_state(home)
    assert state is not None
    return str(state["api"])


def upload(home: Path, key: str, number: int) -> Iterator[str]:
    for n in range(number):
        answer = requests.put(
            f"{api_of(home)}/v1/assets/a{n}/image", data=png((n, 50, 50)), headers={"Authorization": f"Bearer {key}"}, timeout=30
        )
        assert answer.status_code == 202, answer.text
        yield answer.json()["id"]


def test_ctrl_c_drains_and_a_second_start_finishes_the_jobs(home: Path) -> None:
    (home / "models" / "fake.json").write_text('{"a_ms": 20, "b_ms": 60}')  # slow, so that the first stack leaves work behind
    with up(home) as first:
        first.until_it_says("Ctrl-C ends it")
        assert tagger("sites", "add", "s", home=home).returncode == 0
        key = told("keys", "create", "--site", "s", home=home)["key"]
        second = tagger("up", home=home, **FAKE)
        assert second.returncode == 1
        assert "runs already" in second.stderr
        processes = family(first.process.pid)
        assert len(processes) >= 7, "supervisor, broker, API, deliverer, reconciler, a tagger of each lane"
        ids = list(upload(home, key, 60))
        assert first.interrupt() == 0
        assert "Ended." in first.said()
    assert alive(processes) == []
    assert read_state(home) is None
    ledger = open_ledger(f"sqlite:///{home}/ledger.sqlite")
    try:
        left = [job for job in ids if ledger.job_status(job) != "done"]
        assert left, "the first stack finished everything: the test shows nothing"
        assert {ledger.job_status(job) for job in left} == {"accepted"}, "nothing is left running"
        assert {ledger.job(job).attempts + ledger.job(job).crashes for job in left} == {0}, "nobody is charged for the end"
        (home / "models" / "fake.json").write_text('{"a_ms": 5, "b_ms": 1}')
        with up(home, "second") as again:
            again.until_it_says("Ctrl-C ends it")
            until(lambda: all(ledger.job_status(job) == "done" for job in ids), "the second start finishes the jobs of the first")
            assert again.interrupt() == 0
    finally:
        ledger.close()


@pytest.mark.skipif(not os.path.exists("/proc"), reason="only Linux tells children of their parent's death")
def test_killing_the_supervisor_ends_every_process(home: Path) -> None:
    with up(home) as running:
        running.until_it_says("Ctrl-C ends it")
        state = read_state(home)
        assert state is not None
        revived = dict(state["children"])["deliver"]  # type: ignore[call-overload]
        os.kill(revived, signal.SIGKILL)  # its successor is started by another thread than the rest
        until(lambda: dict((read_state(home) or {})["children"])["deliver"] != revived, "the deliverer is started again")  # type: ignore[call-overload]
        processes = family(running.process.pid)
        running.process.kill()
        until(lambda: alive(processes) == [], "every process ends with the supervisor", 60)
    assert read_state(home) is None
    assert tagger("status", home=home).stdout.startswith("Stack      does not run here")


def test_a_port_that_is_taken_is_named_at_once(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = tagger("up", "--port", port, home=home, **FAKE)
        assert done.returncode == 1
        assert "port_taken" in done.stderr
        assert port in done.stderr
        checked = tagger("doctor", home=home, TAGGER_API_PORT=port)
        assert checked.returncode == 1
        assert port in checked.stdout


def test_ctrl_c_while_it_starts_ends_it(home: Path) -> None:
    with up(home, TAGGER_CAPTION="ofa", TAGGER_MODEL_DIR=str(home / "nothing")) as running:  # never ready: no such model
        until(lambda: read_state(home) is not None, "it has begun")
        processes = family(running.process.pid)
        assert running.interrupt(45) in (0, 130)
    assert alive(processes) == []


def test_flower_shows_a_task_by_the_jobs_id(home: Path) -> None:
    pytest.importorskip("flower")
    (home / "models" / "fake.json").write_text('{"a_ms": 5, "b_ms": 1}')
    with up(home) as running:
        running.until_it_says("Ctrl-C ends it")
        port = free_port()
        with Running("flower", "--port", str(port), home=home, log=home.parent / "flower.log"):
            address = f"http://127.0.0.1:{port}"
            until(lambda: _status(f"{address}/workers") == 200, "Flower answers")
            until(lambda: "online" in requests.get(f"{address}/workers", timeout=10).text.lower(), "Flower sees the workers")
            assert tagger("sites", "add", "s", home=home).returncode == 0
            key = told("keys", "create", "--site", "s", home=home)["key"]
            job = next(upload(home, key, 1))
            until(lambda: _status(f"{address}/task/{job}") == 200, "Flower shows the job", 30)


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=10).status_code
    except requests.RequestException:
        return 0


def test_a_stack_takes_nothing_from_the_callers_settings_that_it_was_not_told(tmp_path: Path) -> None:
    """`describe` and `demo` have a ledger of their own, whatever TAGGER_CONFIG says about production's."""
    production = tmp_path / "production.sqlite"
    config = tmp_path / "tagger.toml"
    config.write_text(f'ledger_url = "sqlite:///{production}"\ncaption = "fake"\nembed = "fake"\n')
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(png())
    out = tmp_path / "out.json"
    done = tagger("describe", str(tmp_path / "pictures"), "--out", str(out), home=tmp_path / "home", TAGGER_CONFIG=str(config))
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text())["data"][0]["status"] == "done"
    assert not production.exists()
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])]
