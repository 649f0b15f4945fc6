"""Each role as a process of its own, as systemd, compose and Kubernetes start it: its probes, its metrics, its migration."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from support.worker_house import ROOT, WorkerHouse

from tagger.errors import BrokerUnavailable
from tagger.ledger import newest_schema, open_ledger
from tagger.queue.hints import Hints
from tagger.settings import child_env, load
from tagger.supervisor import redis_server
from tagger.system.home import free_port

PROBES = ("/startupz", "/readyz", "/livez")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WorkerHouse]:
    made = WorkerHouse(tmp_path / "house")
    yield made
    made.close()


def started(house: WorkerHouse, *argv: str) -> tuple[subprocess.Popen[bytes], str]:
    """`tagger …` with a port for its probes; the address of that port."""
    port = free_port()
    env = child_env(house.settings.model_copy(update={"metrics_port": port}))
    with (house.home / f"{'-'.join(argv)}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "tagger", *argv], env=env, cwd=ROOT, stdout=log, stderr=log)
    house.processes.append(process)
    return process, f"http://127.0.0.1:{port}"


def status(address: str, path: str) -> int:
    try:
        return requests.get(address + path, timeout=10).status_code
    except requests.ConnectionError:
        return 0


def test_a_tag_worker_is_ready_with_its_model_and_stays_so_without_a_broker(house: WorkerHouse) -> None:
    process, address = started(house, "worker", "tag", "--lane", "upload")
    house.until(lambda: status(address, "/livez") == 200, "the probes answer")
    house.until(lambda: status(address, "/readyz") == 200, "the worker is ready")
    assert house.workers("tag:upload") == 1, "ready means: the ledger knows it"
    [job] = house.submit(1)
    house.until(lambda: house.all_done([job]), "the job is done")
    wanted = {'tagger_jobs_total{lane="upload",status="described"} 1.0', 'tagger_worker_ready{lane="upload"} 1.0'}
    house.until(lambda: wanted <= set(requests.get(f"{address}/metrics", timeout=10).text.splitlines()), "its metrics say so")
    house.broker.stop()
    [other] = house.accept(1)
    house.until(lambda: house.all_done([other]), "work goes on from the ledger", 60)
    assert [status(address, path) for path in PROBES] == [200, 200, 200]
    process.terminate()
    assert process.wait(30) == 0


def test_a_worker_that_ends_is_not_ready_while_it_finishes(tmp_path: Path) -> None:
    house = WorkerHouse(tmp_path / "house", model_dir=tmp_path)
    (tmp_path / "fake.json").write_text('{"a_ms": 3000}')
    try:
        process, address = started(house, "worker", "tag")
        house.until(lambda: status(address, "/readyz") == 200, "the worker is ready", 60)
        ids = house.submit(2)
        house.until(lambda: house.statuses(ids).get("running", 0) > 0, "a job runs")
        process.send_signal(signal.SIGTERM)
        house.until(lambda: status(address, "/readyz") == 503, "it says that it ends")
        assert status(address, "/livez") == 200, "nobody is to kill it"
        assert process.wait(30) == 0
        assert house.statuses(ids).get("running", 0) == 0
    finally:
        house.close()


@pytest.mark.parametrize("role", ["deliver", "reconcile"])
def test_the_other_workers_have_the_same_probes(house: WorkerHouse, role: str) -> None:
    process, address = started(house, "worker", role)
    house.until(lambda: status(address, "/readyz") == 200, f"{role} is ready")
    assert [status(address, path) for path in PROBES] == [200, 200, 200]
    assert "tagger_delivery_attempts_total" in requests.get(f"{address}/metrics", timeout=10).text
    process.terminate()
    assert process.wait(30) == 0


def test_the_port_of_an_api_has_its_metrics_and_its_public_port_has_not(house: WorkerHouse) -> None:
    public = free_port()
    house.settings = house.settings.model_copy(update={"api_port": public})
    process, address = started(house, "api")
    house.until(lambda: status(f"http://127.0.0.1:{public}", "/readyz") == 200, "the API is ready")
    metrics = requests.get(f"{address}/metrics", timeout=10).text
    assert "tagger_ledger_up 1.0" in metrics
    assert "http_requests_total" in metrics
    hidden = requests.get(f"http://127.0.0.1:{public}/metrics", timeout=10)
    assert (hidden.status_code, "tagger_ledger_up" in hidden.text) == (404, False)
    process.terminate()
    assert process.wait(30) == 0


def test_a_lane_is_for_tag_workers(tmp_path: Path) -> None:
    env = child_env(load({}, home=tmp_path))
    run = [sys.executable, "-m", "tagger", "worker", "deliver", "--lane", "upload"]
    done = subprocess.run(run, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "--lane" in done.stderr


def migrated(env: dict[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "tagger", "migrate", *argv]
    return subprocess.run(run, env={**os.environ, **env}, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_migrate_brings_a_new_ledger_to_the_newest_schema_and_a_second_time_does_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        done = migrated({"TAGGER_HOME": str(tmp_path)})
        assert (done.returncode, done.stdout) == (0, f"The ledger has schema {newest_schema()}.\n"), done.stderr
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    assert ledger.stats().jobs == {}
    ledger.close()


def test_migrate_gives_a_database_up_that_never_comes(tmp_path: Path) -> None:
    env = {"TAGGER_HOME": str(tmp_path), "TAGGER_LEDGER_URL": "postgresql://nobody@127.0.0.1:1/none"}
    done = migrated(env, "--wait", "1")
    assert done.returncode == 1
    assert "ledger" in done.stderr.lower()


def test_a_password_from_a_file_opens_the_broker(tmp_path: Path) -> None:
    port, secret = free_port(), tmp_path / "broker_password"
    secret.write_text("p@ss/:word\n")
    run = [str(redis_server.server_binary()), "--port", str(port), "--bind", "127.0.0.1", "--requirepass", "p@ss/:word"]
    env = {"TAGGER_BROKER_URL": f"redis://127.0.0.1:{port}/0", "TAGGER_BROKER_PASSWORD_FILE": str(secret)}
    with subprocess.Popen([*run, "--save", ""], cwd=tmp_path, stdout=subprocess.DEVNULL) as server:
        try:
            made = load(env, home=tmp_path)
            until(lambda: answers(made.broker), "the broker lets the right password in")
            assert not answers(made.broker_url)
        finally:
            server.terminate()


def answers(url: str) -> bool:
    hints = Hints(url)
    try:
        hints.ping()
    except BrokerUnavailable:
        return False
    finally:
        hints.close()
    return True


def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
