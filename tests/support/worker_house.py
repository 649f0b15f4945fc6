"""A house for worker processes: an embedded broker, a SQLite ledger, and `python -m workers` beside the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tagger.asset import ImageSource
from tagger.job import JobRequest, JobStatus, Lane
from tagger.ledger import Ledger, open_ledger
from tagger.queue.hints import Hints
from tagger.settings import Settings, load, to_env
from tagger.site import Site
from tagger.supervisor import redis_server

ROOT = Path(__file__).parent.parent.parent


class WorkerHouse:
    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = home
        self.pictures = home / "pictures"
        self.pictures.mkdir(parents=True)
        defaults: dict[str, Any] = {"caption": "fake", "embed": "fake", "threads": 8, "max_batch": 4, "decode_processes": 1}
        self.broker = redis_server.start(home)
        self.settings: Settings = load({}, home=home, **{"broker_url": self.broker.url, **defaults, **settings})
        self.ledger: Ledger = open_ledger(self.settings.ledger)
        self.ledger.migrate()
        self.ledger.put_site(Site(id="site", name="A site"))
        self.hints = Hints(self.broker.url)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.made = 0

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """`python -m workers …`, with its log in the house."""
        with (self.home / f"{'-'.join(argv).replace('--', '')}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers", *argv],
                env={**os.environ, **to_env(self.settings)},
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def tag(self, lane: Lane = "upload") -> subprocess.Popen[bytes]:
        before = self.workers(f"tag:{lane}")
        process = self.start("tag", "--lane", lane)
        self.until(lambda: process.poll() is not None or self.workers(f"tag:{lane}") > before, "the tag worker is registered")
        assert process.poll() is None, self.logs()
        return process

    def workers(self, role: str) -> int:
        return self.ledger.stats().workers.get(role, 0)

    def accept(self, count: int, *, lane: Lane = "upload", colour: tuple[int, int, int] | None = None) -> list[str]:
        """So many new PNGs, accepted as jobs; without hints."""
        requests = []
        for _ in range(count):
            self.made += 1
            path = self.pictures / f"{self.made}.png"
            Image.new("RGB", (32, 32), colour or (self.made % 256, self.made // 256 % 256, 200)).save(path)
            source = ImageSource(kind="file", location=str(path), root=str(self.pictures))
            requests.append(JobRequest(site_id="site", asset_id=f"asset-{self.made}", source=source, lane=lane))
        return [accepted.job_id for accepted in self.ledger.accept(requests)]

    def submit(self, count: int, *, lane: Lane = "upload") -> list[str]:
        """Accepted and hinted at, as the API does it."""
        ids = self.accept(count, lane=lane)
        self.hints.send_many(ids, lane)
        return ids

    def statuses(self, ids: Sequence[str]) -> dict[JobStatus, int]:
        found: dict[JobStatus, int] = {}
        for job_id in ids:
            status = self.ledger.job_status(job_id)
            found[status] = found.get(status, 0) + 1
        return found

    def done(self) -> int:
        """Jobs of this house that are done: one cheap read."""
        return self.ledger.stats().jobs.get("done", 0)

    def all_done(self, ids: Sequence[str]) -> bool:
        return self.statuses(ids) == {"done": len(ids)}

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
        """Waits for the condition; returns how long it took."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}\n{self.logs()}"
            time.sleep(0.02)
        return time.monotonic() - began

    def logs(self) -> str:
        return "\n".join(
            f"--- {file.name}\n{file.read_text('utf-8', 'replace')[-3000:]}" for file in sorted(self.home.glob("*.log"))
        )

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self.hints.close()
        self.ledger.close()
        self.broker.stop()
