"""The programs that tests/helm/tools.sh fetches, and a Prometheus that runs beside a test."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tagger.system.home import free_port

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "tagger"
BIN = Path(os.environ.get("OPS_TOOLS", ROOT / ".ops-tools")) / "bin"


def tool(name: str) -> str:
    """Its path. Without it the test is skipped; in CI it fails, because a skipped test looks like a passed one."""
    path = BIN / name
    if not path.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{path} is missing: run tests/helm/tools.sh")
    return str(path)


def run(*argv: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in argv], input=given, capture_output=True, text=True, timeout=120, check=False)


def until(look: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)
    return found


class Prometheus:
    """A real server that scrapes `targets` each second, and evaluates `rules` each second."""

    def __init__(self, folder: Path, targets: Sequence[str], rules: Sequence[Path] = ()) -> None:
        folder.mkdir()
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{"job_name": "tagger", "static_configs": [{"targets": list(targets)}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    tool("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address={address}",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        until(self._ready, "Prometheus is ready")

    def _ready(self) -> bool:
        assert self.process.poll() is None, "Prometheus ended"
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def query(self, expr: str) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": expr}, timeout=30).json()
        assert answer["status"] == "success", f"{expr}: {answer}"
        return list(answer["data"]["result"])

    def values(self, expr: str) -> list[float]:
        return [float(found["value"][1]) for found in self.query(expr)]

    def value(self, expr: str) -> float:
        """0 where there is no data yet."""
        return sum(self.values(expr))

    def firing(self) -> set[str]:
        alerts = requests.get(f"{self.url}/api/v1/alerts", timeout=30).json()["data"]["alerts"]
        return {str(alert["labels"]["alertname"]) for alert in alerts if alert["state"] == "firing"}

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
