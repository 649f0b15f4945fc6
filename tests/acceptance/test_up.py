"""`tagger up`: it starts, drains, continues its jobs, refuses a second start, and leaves no orphan process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from acceptance.house import Running, alive, called, family, tagger, told, until
from acceptance.pictures import png
from tagger.ledger import open_ledger
from tagger.system.home import free_port, read_state

FAKE = {
    "TAGGER_CAPTION": "fake", "TAGGER_EMBED": "fake", "TAGGER_THREADS": "8", "TAGGER_MAX_BATCH": "4",
    "TAGGER_DECODE_PROCESSES": "1", "TAGGER_TAG_PROCESSES": "1",
}  # fmt: skip


def made_home(folder: Path) -> Path:
    (folder / "home" / "models").mkdir(parents=True)
    return folder / "home"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return made_home(tmp_path)


def up(home: Path, name: str = "up", **more: str) -> Running:
    return Running("up", "--port", "0", home=home, log=home.parent / f"{name}.log", **{**FAKE, **more})


def api_of(home: Path) -> str:
    state = read_state(home)
    assert state is not None
    return str(state["api"])


def upload(home: Path, key: str, number: int, name: str = "a", first: int = 0) -> Iterator[str]:
    for n in range(first, first + number):
        answer = requests.put(
            f"{api_of(home)}/v1/assets/{name}{n}/image",
            data=png((n % 250, 50, 50 + n // 250)),
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )
        assert answer.status_code == 202, answer.text
        yield answer.json()["id"]


def backlog(home: Path, key: str, waiting: int) -> list[str]:
    """Uploads until so many jobs are in nobody's hands. On a busy machine the workers keep up with the first sixty."""
    ids = list(upload(home, key, 60))
    ledger = open_ledger(f"sqlite:///{home}/ledger.sqlite")

    def long_enough() -> bool:
        if sum(ledger.job_status(job) == "accepted" for job in ids) >= waiting:
            return True
        ids.extend(upload(home, key, 10, first=len(ids)))
        return False

    try:
        until(long_enough, f"{waiting} jobs wait")
    finally:
        ledger.close()
    return ids


@dataclass(frozen=True, kw_only=True)
class Drained:
    """A stack that was ended by Ctrl-C with work in hand, as it was then."""

    home: Path
    key: str
    ids: list[str]
    processes: list[psutil.Process]
    exit_code: int
    said: str
    second: subprocess.CompletedProcess[str]  # another `up` on the same home, meanwhile


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Drained:
    home = made_home(tmp_path_factory.mktemp("up"))
    (home / "models" / "fake.json").write_text('{"a_ms": 20, "b_ms": 300}')  # slow, so that the first stack leaves work behind
    with up(home) as first:
        first.until_it_says("Press Ctrl-C to stop.")
        assert called("sites", "add", "s", home=home).returncode == 0
        key = told("keys", "create", "--site", "s", home=home)["key"]
        second = tagger("up", home=home, **FAKE)
        processes = family(first.process.pid)
        ids = backlog(home, key, waiting=20)
        code = first.interrupt()
        return Drained(home=home, key=key, ids=ids, processes=processes, exit_code=code, said=first.said(), second=second)


@pytest.fixture(scope="module")
def again(drained: Drained) -> Iterator[Running]:
    """The same home started anew, with faster models. The last test of this file kills it."""
    ledger = open_ledger(f"sqlite:///{drained.home}/ledger.sqlite")
    try:
        left = [job for job in drained.ids if ledger.job_status(job) != "done"]
        assert left, "the first stack finished everything: the tests show nothing"
        assert {ledger.job_status(job) for job in left} == {"accepted"}, "nothing is left running"
        assert {ledger.job(job).failures + ledger.job(job).crashes for job in left} == {0}, "nobody is charged for the end"
    finally:
        ledger.close()
    (drained.home / "models" / "fake.json").write_text('{"a_ms": 5, "b_ms": 1}')
    with up(drained.home, "again") as running:
        running.until_it_says("Press Ctrl-C to stop.")
        yield running


def test_ctrl_c_drains_and_leaves_nothing_behind(drained: Drained) -> None:
    assert drained.second.returncode == 1
    assert "already runs" in drained.second.stderr
    assert len(drained.processes) >= 7, "supervisor, broker, API, deliverer, reconciler, the tag worker of uploads, its decoder"
    assert drained.exit_code == 0
    assert "Stopped." in drained.said
    assert alive(drained.processes) == []


def test_a_second_start_finishes_the_jobs(drained: Drained, again: Running) -> None:
    ledger = open_ledger(f"sqlite:///{drained.home}/ledger.sqlite")
    try:
        until(lambda: all(ledger.job_status(job) == "done" for job in drained.ids), "the jobs of the first stack are finished")
    finally:
        ledger.close()


def test_flower_shows_a_task_by_the_jobs_id(drained: Drained, again: Running) -> None:
    pytest.importorskip("flower")
    port = free_port()
    with Running("flower", "--port", str(port), home=drained.home, log=drained.home.parent / "flower.log"):
        address = f"http://127.0.0.1:{port}"
        until(lambda: _status(f"{address}/workers") == 200, "Flower answers")
        until(lambda: "online" in requests.get(f"{address}/workers", timeout=10).text.lower(), "Flower sees the workers")
        job = next(upload(drained.home, drained.key, 1, "flower"))
        until(lambda: _status(f"{address}/task/{job}") == 200, "Flower shows the job", 30)


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=10).status_code
    except requests.RequestException:
        return 0


def test_a_port_that_is_taken_is_named_at_once(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = tagger("up", "--port", port, home=home, **FAKE)
        assert done.returncode == 1
        assert "port_taken" in done.stderr
        assert port in done.stderr
        checked = called("doctor", home=home, TAGGER_API_PORT=port)
        assert checked.returncode == 1
        assert port in checked.stdout


def test_a_worker_that_cannot_start_says_why_at_once(home: Path) -> None:
    with up(home, TAGGER_CAPTION="ofa", TAGGER_MODEL_DIR=str(home / "nothing")) as running:
        assert running.process.wait(45) == 1
    for word in ("cannot start", "config.json", "tagger models pull"):
        assert word in running.said(), running.said()


def test_ctrl_c_while_it_starts_ends_it(home: Path) -> None:
    with up(home) as running:
        until(lambda: read_state(home) is not None, "it has begun")
        processes = family(running.process.pid)
        assert running.interrupt(45) in (0, 130)
    assert alive(processes) == []


@pytest.mark.skipif(not os.path.exists("/proc"), reason="only Linux tells children of their parent's death")
def test_killing_the_supervisor_ends_every_process(drained: Drained, again: Running) -> None:
    home = drained.home
    state = read_state(home)
    assert state is not None
    revived = dict(state["children"])["deliver"]  # type: ignore[call-overload]
    os.kill(revived, signal.SIGKILL)  # its successor is started by another thread than the rest
    until(lambda: dict((read_state(home) or {})["children"])["deliver"] != revived, "the deliverer is started again")  # type: ignore[call-overload]
    until(lambda: all("-c" not in process.cmdline() for process in family(again.process.pid)), "each has learnt of its parent")
    processes = family(again.process.pid)
    for process in processes[1:]:  # the first is the supervisor
        if "upload" not in process.cmdline():  # one worker runs on
            process.suspend()  # what is stopped hears of nothing but SIGKILL and SIGCONT
    port = api_of(home).rpartition(":")[2]
    again.process.kill()
    until(lambda: alive(processes) == [], "every process ends with the supervisor", 60)
    assert read_state(home) is None
    assert called("status", home=home).stdout.startswith("Stack      does not run here")
    with Running("up", "--port", port, home=home, log=home.parent / "third.log", **FAKE) as third:
        third.until_it_says("Press Ctrl-C to stop.")
        assert third.interrupt() == 0
