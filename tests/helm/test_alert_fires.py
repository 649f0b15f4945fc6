"""An alert fires for real: roles run as processes of their own, Prometheus scrapes each, and the tag worker is stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import requests
import yaml
from support.worker_house import WorkerHouse

from helm.ops_tools import CHART, ROOT, Prometheus, until
from tagger.settings import child_env
from tagger.system.home import free_port


class Roles:
    """Roles as processes of their own, as compose and Kubernetes start them, each with a metrics port."""

    def __init__(self, house: WorkerHouse) -> None:
        self.house = house
        self.addresses: list[str] = []

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        port = free_port()
        own = self.house.settings.model_copy(update={"metrics_port": port, "api_port": free_port()})
        with (self.house.home / f"{'-'.join(argv)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tagger", *argv], env=child_env(own), cwd=ROOT, stdout=log, stderr=log
            )
        self.house.processes.append(process)
        self.addresses.append(f"127.0.0.1:{port}")
        return process

    def ready(self) -> bool:
        try:
            return all(requests.get(f"http://{address}/readyz", timeout=5).status_code == 200 for address in self.addresses)
        except requests.ConnectionError:
            return False


def _impatient(folder: Path) -> list[Path]:
    """The real rules, but each fires as soon as it is true for two seconds."""
    made = []
    for file in sorted((CHART / "alerts").glob("*.yaml")):
        rules: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
        for group in rules["groups"]:
            for rule in group["rules"]:
                rule["for"] = "2s"
        (folder / file.name).write_text(yaml.safe_dump(rules))
        made.append(folder / file.name)
    return made


def test_an_alert_fires_when_the_tag_worker_ends_and_is_over_when_it_is_back(tmp_path: Path) -> None:
    house = WorkerHouse(tmp_path / "house")
    server = None
    try:
        roles = Roles(house)
        for argv in (["api"], ["worker", "deliver"], ["worker", "reconcile"]):
            roles.start(*argv)
        worker = roles.start("worker", "tag", "--lane", "upload")
        house.until(roles.ready, "every role is ready", 90)
        server = Prometheus(tmp_path / "prometheus", roles.addresses, _impatient(tmp_path))
        until(lambda: server.value('max(tagger_workers{role="tag:upload"})') == 1, "Prometheus sees the worker")
        house.until(lambda: server.firing() == set(), "no alert fires in a healthy fleet")
        worker.terminate()
        assert worker.wait(30) == 0
        until(lambda: "TaggerTagWorkersMissing" in server.firing(), "the alert fires")
        assert server.firing() == {"TaggerTagWorkersMissing"}, "and it is the only one"
        roles.start("worker", "tag", "--lane", "upload")
        until(lambda: server.firing() == set(), "the alert is over", 90)
    finally:
        if server is not None:
            server.close()
        house.close()
