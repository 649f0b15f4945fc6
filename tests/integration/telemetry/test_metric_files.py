"""The metrics of a stack: added up over processes, living and ended, and harmless when the disk is full."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from tagger.telemetry import metric_files

ROOT = Path(__file__).parents[3]
COUNT = """
import structlog, sys
from tagger.telemetry import metric_files, metrics
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Process:
    """One process of a stack, which does as it is told."""

    def __init__(self, folder: Path) -> None:
        env = {**os.environ, metric_files.FOLDER_ENV: str(folder)}
        self.run = subprocess.Popen(
            [sys.executable, "-c", COUNT], env=env, cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,  # a file would be one that may not grow
        )  # fmt: skip

    def __call__(self, line: str) -> None:
        assert self.run.stdin is not None
        assert self.run.stdout is not None
        print(line, file=self.run.stdin, flush=True)
        assert self.run.stdout.readline() == "done\n", "the process ended"

    def close(self) -> None:
        for pipe in (self.run.stdin, self.run.stdout):
            assert pipe is not None
            pipe.close()
        self.run.kill()
        self.run.wait()


@contextmanager
def processes(folder: Path, count: int) -> Iterator[list[Process]]:
    made = [Process(folder) for _ in range(count)]
    try:
        yield made
    finally:
        for process in made:
            process.close()


def shown(folder: Path) -> dict[str, float]:
    class Once:
        def collect(self) -> list[Metric]:
            return list(metric_files.merged(folder))

    registry = CollectorRegistry()
    registry.register(Once())
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


FAILED = 'tagger_jobs_total{lane="upload",status="failed"}'
READY = 'tagger_worker_ready{lane="upload"}'
DEPTH = 'tagger_lane_depth{lane="upload"}'
FAST = 'tagger_delivery_seconds_bucket{le="0.01"}'
ALL = "tagger_delivery_seconds_count"


def test_all_processes_are_added_up_and_those_that_ended_stay_counted(tmp_path: Path) -> None:
    with processes(tmp_path, 2) as (first, second):
        for number, process in enumerate((first, second), start=1):
            process(f"metrics.JOBS.labels('upload', 'failed').inc({number})")
            process(f"metrics.WORKER_READY.labels('upload').set(1); metrics.LANE_DEPTH.labels('upload').set({number})")
            process("metrics.DELIVERY_SECONDS.observe(0.007); metrics.DELIVERY_SECONDS.observe(4)")
            process("metric_files.flush()")
        before = shown(tmp_path)
        assert (before[FAILED], before[READY], before[DEPTH], before[FAST], before[ALL]) == (3, 2, 2, 2, 4)
        (tmp_path / f"counter_{first.run.pid}.new").write_bytes(b"it was killed while it wrote")
        metric_files.fold(tmp_path, {second.run.pid})
        after = shown(tmp_path)
        assert (after[FAILED], after[READY], after[DEPTH], after[FAST], after[ALL]) == (3, 1, 2, 2, 4)
        assert not [path for path in tmp_path.iterdir() if str(first.run.pid) in path.name]
        metric_files.fold(tmp_path, set())
        assert shown(tmp_path) == {name: value for name, value in after.items() if name not in (READY, DEPTH)}
        assert {path.name for path in tmp_path.iterdir()} == {"lock", "counter_past.db", "histogram_past.db"}


def test_a_process_counts_on_while_its_file_cannot_be_written(tmp_path: Path) -> None:
    with processes(tmp_path, 1) as (process,):
        process("metrics.JOBS.labels('upload', 'failed').inc(); metric_files.flush()")
        process("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, -1))")  # every write fails, as on a full disk
        process("for n in range(20_000): metrics.ERRORS.labels('upload', 'fetch', str(n)).inc()")  # megabytes of new series
        process("metrics.JOBS.labels('upload', 'failed').inc(); metric_files.flush()")
        assert shown(tmp_path)[FAILED] == 1, "what was written last"
        assert not list(tmp_path.glob("*.new"))
        process("resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1)); metric_files.flush()")
        assert shown(tmp_path)[FAILED] == 2
        assert len([name for name in shown(tmp_path) if name.startswith("tagger_errors_total")]) == 20_000


def test_the_ended_are_kept_apart_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with processes(tmp_path, 1) as (process,):
        process("metrics.JOBS.labels('upload', 'failed').inc(); metric_files.flush()")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space"):
            metric_files.fold(tmp_path, set())
    assert shown(tmp_path)[FAILED] == 1
    metric_files.fold(tmp_path, set())
    assert shown(tmp_path)[FAILED] == 1
    assert not (tmp_path / f"counter_{process.run.pid}.db").exists()


def test_a_folder_of_any_name_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "[x]*?"
    folder.mkdir()
    with processes(folder, 1) as (process,):
        process("metrics.JOBS.labels('upload', 'failed').inc(); metric_files.flush()")
    assert shown(folder)[FAILED] == 1
