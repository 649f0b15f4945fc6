"""What a supervisor keeps in its home: `stack.json`, the files of the metrics, the logs. A full disk is waited out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from tagger.errors import TaggerError
from tagger.supervisor.process import Child
from tagger.system.home import Phase, write_state
from tagger.telemetry import log_files, metric_files

log = structlog.get_logger()

OWN_LOGS = ("logs-supervisor.log", "supervisor.log", "broker.log")  # in the home


@dataclass
class HomeFiles:
    home: Path
    log_bytes: int  # of one log file; a longer one is set aside
    phase: Phase = "starting"
    told: bool = True  # False: `stack.json` is behind
    folded: bool = True  # False: the metrics of ended processes wait for room on the disk

    @property
    def metrics(self) -> Path:
        return self.home / "metrics"

    def log_of(self, child: Child) -> Path:
        return self.home / "logs" / f"{child.name}.log"

    def prepare(self) -> None:
        (self.home / "logs").mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(self.metrics, ignore_errors=True)
        self.metrics.mkdir(mode=0o700)

    def tell(self, api_url: str, children: Sequence[Child]) -> None:
        """Write `stack.json`; on a full disk the next closer look tries again."""
        pids = {c.name: c.process.pid for c in children if c.process is not None}
        try:
            write_state(self.home, {"supervisor": os.getpid(), "api": api_url, "children": pids, "phase": self.phase})
        except OSError as err:
            if self.told:
                log.warning("stack.state_not_written", error=err.strerror)
            self.told = False
        else:
            self.told = True

    def forget(self) -> None:
        (self.home / "stack.json").unlink(missing_ok=True)

    def fold_metrics(self, children: Sequence[Child]) -> None:
        """The files of processes that ended become one."""
        living = {child.process.pid for child in children if child.process is not None}
        try:
            metric_files.fold(self.metrics, living)
        except OSError as err:
            if self.folded:
                log.warning("stack.metrics_not_folded", error=err.strerror)
            self.folded = False
        else:
            self.folded = True

    def catch_up(self, api_url: str, children: Sequence[Child]) -> None:
        """What a full disk left undone."""
        if not self.told:
            self.tell(api_url, children)
        if not self.folded:
            self.fold_metrics(children)

    def log_files(self, children: Sequence[Child]) -> list[Path]:
        own = [*(child.name for child in children), "media-library"]
        return [self.home / name for name in OWN_LOGS] + [self.home / "logs" / f"{name}.log" for name in own]

    def cap_logs(self, children: Sequence[Child]) -> None:
        for file in log_files.cap(self.log_files(children), self.log_bytes):
            log.info("stack.log_set_aside", file=str(file))

    def last_words(self, child: Child, length: int = 500) -> str:
        lines = self.log_of(child).read_text("utf-8", "replace").splitlines()
        return lines[-1][:length] if lines else "it left no word"

    def cause(self, child: Child) -> TaggerError | None:
        """The error that a worker named as its last word, when it will be the same the next time."""
        try:
            line = json.loads(self.last_words(child, 10_000))
            kind = TaggerError.by_code()[line["code"]]
        except (ValueError, TypeError, KeyError):
            return None
        if line.get("event") != "worker.start_failed" or kind.retryable:
            return None
        return kind(f"{child.name} cannot start: {line['error']}", line["remedy"])
