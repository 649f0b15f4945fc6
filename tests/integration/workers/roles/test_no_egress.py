"""A worker with the large models does its whole job, and nothing of it tries to leave the machine.

OFA has its real size and random weights; GME and the entailment model are tiny. Every Python process of the house has an audit
hook that refuses and notes any address but loopback. Where the kernel allows it, the worker also runs in a network namespace
of its own that has nothing but loopback: that holds for native code, too.

The speed of the same worker is measured by `python -m bench.throughput --model large` (S1 and S2); that its batches are full
while pictures wait is seen here.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from PIL import Image
from prometheus_client import CollectorRegistry, multiprocess
from support import gme_cases, ofa_directory
from support.ofa_compare import BPE
from support.worker_house import ROOT, WorkerHouse

from tagger.asset import ImageSource
from tagger.job import JobRequest
from workers.models.ofa.synthetic import CAPTION_DISTILLED, random_picture, write_directory

PICTURES, BATCH = 8, 2
HOOK = """
import errno, ipaddress, os, sys

def _here(host):
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False

def _look(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        host = args[1][0] if len(args) > 1 and isinstance(args[1], tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    else:
        return
    if not _here(host):
        log = os.open(os.environ["EGRESS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, f"{event} {host}\\n".encode())
        os.close(log)
        raise OSError(errno.ENETUNREACH, "no way out")

sys.addaudithook(_look)
"""
WALL = ("unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "wall")


@functools.cache
def wall() -> tuple[str, ...]:
    """What to put before a command so that it has no network but loopback; empty where this machine does not allow it."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return ()
    return WALL if subprocess.run([*WALL, "true"], capture_output=True, check=False).returncode == 0 else ()


class WalledHouse(WorkerHouse):
    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        from tagger.settings import to_env

        with (self.home / f"{'-'.join(argv).replace('--', '')}-{len(self.processes)}.log").open("wb") as log:
            env = {**os.environ, **to_env(self.settings)}
            command = [*wall(), sys.executable, "-m", "workers", *argv]
            process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log)
        self.processes.append(process)
        return process


@pytest.fixture
def egress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that notes what tried to leave."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hook"))
    monkeypatch.setenv("EGRESS_LOG", str(tmp_path / "egress"))
    return tmp_path / "egress"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_directory(tmp_path / "models" / "ofa-caption", BPE, model=CAPTION_DISTILLED)
    ofa_directory.entailment_directory(tmp_path / "models").rename(tmp_path / "models" / "ofa-entailment")
    gme_cases.directory(tmp_path / "models" / "gme")
    return tmp_path / "models"


@pytest.fixture
def house(tmp_path: Path, models: Path, egress: Path) -> Iterator[WalledHouse]:
    chosen: dict[str, Any] = {"caption": "auto", "embed": "auto", "check": "ofa-entailment", "model_dir": models}
    small = {"visual_tokens_least": 4, "visual_tokens_most": 16, "threads": 6, "max_batch": BATCH, "job_seconds": 300.0}
    made = WalledHouse(tmp_path / "house", **chosen, **small)
    try:
        yield made
    finally:
        made.close()


def test_the_hook_notices(egress: Path) -> None:
    tries = "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError as err:\n    print(err)"
    done = subprocess.run([sys.executable, "-c", tries], capture_output=True, text=True, check=True)
    assert "no way out" in done.stdout
    assert "192.0.2.1" in egress.read_text()


@pytest.fixture
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the workers' own metrics."""
    (tmp_path / "metrics").mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "metrics"))
    return tmp_path / "metrics"


def test_the_whole_job_stays_on_the_machine_and_batches_are_full(house: WalledHouse, egress: Path, metrics: Path) -> None:
    requests = []
    for number in range(PICTURES):
        path = house.pictures / f"{number}.jpg"
        Image.fromarray(random_picture(number)).save(path)
        source = ImageSource(kind="file", location=str(path), root=str(house.pictures))
        requests.append(JobRequest(site_id="site", asset_id=str(number), source=source))
    image = requests[0].source
    requests.append(JobRequest(site_id="site", asset_id="check", source=image, fields=(), check_text="two dogs", deliver=False))
    ids = [accepted.job_id for accepted in house.ledger.accept(requests)]
    house.start("reconcile")
    house.start("deliver")
    house.start("tag", "--lane", "upload")
    house.until(lambda: house.all_done(ids), "all jobs are done", seconds=240)
    for job_id in ids[:PICTURES]:
        described = house.ledger.job(job_id).description
        assert described is not None
        assert {a.field for a in described.annotations} == {"alt_text", "caption", "tags"}
        caption = next(a for a in described.annotations if a.field == "caption")
        assert caption.model is not None
        assert caption.model.startswith("ofa-caption@")
        assert set(described.timings_ms) >= {"queue", "fetch", "decode", "model", "judge"}
    vector = house.ledger.vector_of("site", "0")
    assert vector is not None
    assert vector.model.startswith("gme@")
    asked = house.ledger.job(ids[PICTURES]).description
    assert asked is not None
    assert [check.text for check in asked.checks] == ["two dogs"]
    assert asked.checks[0].model.startswith("ofa-entailment@")
    assert not egress.exists(), egress.read_text()
    house.until(lambda: of_ofa(metrics, "tagger_batch_size_sum") >= PICTURES, "the worker's file of metrics has all batches")
    fill = of_ofa(metrics, "tagger_batch_fill_ratio_sum") / of_ofa(metrics, "tagger_batch_fill_ratio_count")
    assert fill >= 0.8  # at most the first and the last batch were half full


def of_ofa(metrics: Path, name: str) -> float:
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, str(metrics))
    return registry.get_sample_value(name, {"model": "ofa"}) or 0.0
