"""Metrics of a stack: each process keeps its own in memory and writes them to a file every second; the API adds all up.

prometheus_client maps these files into memory instead. When the disk is full, the kernel then ends a process by SIGBUS as soon
as a counter needs one more page. Here a full disk makes the files stale, and they are written again once there is room.
Its file format and its collector are used as they are. A process that is killed loses what it counted in its last second.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Metric, values
from prometheus_client.mmap_dict import mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

log = structlog.get_logger()

FOLDER_ENV = "PROMETHEUS_MULTIPROC_DIR"
PERIOD_SECONDS = 1.0
PAST = "past"  # in the place of a process id: what processes that ended had counted
COUNTED = ("counter", "histogram")  # kinds whose values outlive their process

Entry = tuple[str, float, float]  # key, value, moment of a gauge


class SharedValue(values.MutexValue):
    """A number of this process that its file will hold. prometheus_client makes one for each series."""

    _multiprocess = True

    def __init__(
        self, typ: str, metric_name: str, name: str, labelnames: Sequence[str], labelvalues: Sequence[str], help_text: str,
        multiprocess_mode: str = "", **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(typ, metric_name, name, labelnames, labelvalues, help_text, **more)  # type: ignore[no-untyped-call]
        self._key = mmap_key(metric_name, name, list(labelnames), list(labelvalues), help_text)
        self._moment = 0.0
        FILES.add(f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ, self)

    def inc(self, amount: float) -> None:
        super().inc(amount)  # type: ignore[no-untyped-call]
        FILES.changed = True

    def set(self, value: float, timestamp: float | None = None) -> None:
        super().set(value)  # type: ignore[no-untyped-call]
        self._moment = timestamp or 0.0
        FILES.changed = True

    def entry(self) -> Entry:
        return self._key, float(self.get()), self._moment  # type: ignore[no-untyped-call]


class Files:
    """The files of this process, one for each kind."""

    def __init__(self) -> None:
        self.changed = False
        self._by_kind: dict[str, list[SharedValue]] = {}
        self._lock = threading.Lock()
        self._full = False

    def add(self, kind: str, value: SharedValue) -> None:
        self._by_kind.setdefault(kind, []).append(value)
        self.changed = True

    def write(self, folder: Path) -> None:
        """Whatever changed since the last time. A disk without room is told once, and tried again the next time."""
        with self._lock:
            if not self.changed:
                return
            self.changed = False
            try:
                for kind, found in list(self._by_kind.items()):
                    _replace(folder / f"{kind}_{os.getpid()}.db", _packed(value.entry() for value in list(found)))
            except OSError as err:
                self.changed = True
                if not self._full:
                    log.warning("metrics.not_written", error=err.strerror)
                self._full = True
            else:
                self._full = False


FILES = Files()


def folder_of_stack() -> Path | None:
    """Where the processes of this stack write; None: this process is none of a stack."""
    folder = os.environ.get(FOLDER_ENV)
    return Path(folder) if folder else None


def keep_writing(folder: Path) -> None:
    """From now on this process writes its metrics, from a thread of its own."""

    def run() -> None:
        while True:
            FILES.write(folder)
            pause.wait(PERIOD_SECONDS)

    pause = threading.Event()  # never set: the thread ends with the process
    threading.Thread(target=run, name="metrics", daemon=True).start()


def flush() -> None:
    """Before the process ends: what it counted last."""
    folder = folder_of_stack()
    if folder is not None:
        FILES.write(folder)


def merged(folder: Path) -> Iterable[Metric]:
    """The metrics of all processes, those that ended included."""
    flush()
    with _locked(folder, fcntl.LOCK_SH):
        metrics: Iterable[Metric] = MultiProcessCollector.merge(map(str, folder.glob("*.db")))  # type: ignore[no-untyped-call]
        return metrics


def fold(folder: Path, living: Collection[int]) -> None:
    """Adds what ended processes had counted to one file per kind, and removes their files.

    A sum must not fall: Prometheus would take it for a restart. Errors: OSError, such as for a full disk; then nothing is lost,
    and the next call does it.
    """
    with _locked(folder, fcntl.LOCK_EX):
        dead = [path for path in folder.iterdir() if _is_of_dead(path, living)]
        counted = [path for path in dead if path.suffix == ".db" and path.name.partition("_")[0] in COUNTED]
        for path in set(dead).difference(counted):
            path.unlink(missing_ok=True)
        for kind in COUNTED:
            if theirs := [path for path in counted if path.name.startswith(kind)]:
                _fold_kind(folder / f"{kind}_{PAST}.db", theirs)


def _is_of_dead(path: Path, living: Collection[int]) -> bool:
    owner = path.stem.rpartition("_")[2]
    return path.suffix in (".db", ".new") and owner.isdigit() and int(owner) not in living


def _fold_kind(past: Path, theirs: Sequence[Path]) -> None:
    files = [str(path) for path in (past, *theirs) if path.exists()]
    metrics: Iterable[Metric] = MultiProcessCollector.merge(files, accumulate=False)  # type: ignore[no-untyped-call]
    _replace(
        past,
        _packed(
            (mmap_key(metric.name, sample.name, list(sample.labels), list(sample.labels.values()), metric.documentation),
             sample.value, 0.0)
            for metric in metrics for sample in metric.samples
        ),
    )  # fmt: skip
    for path in theirs:
        path.unlink(missing_ok=True)


def _packed(entries: Iterable[Entry]) -> bytes:
    """As prometheus_client reads it: bytes in use, then for each value the length of its key, the key, the value, the moment."""
    body = bytearray()
    for key, value, moment in entries:
        encoded = key.encode()
        body += struct.pack("i", len(encoded)) + encoded + b" " * (8 - (len(encoded) + 4) % 8) + struct.pack("dd", value, moment)
    return struct.pack("ii", len(body) + 8, 0) + bytes(body)


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".new")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Between the fold of an ended process and a reader: nothing is counted twice or left out."""
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, how)
        yield


if FOLDER_ENV in os.environ:  # prometheus_client chooses here, too: before the first metric is made, and by this variable
    values.ValueClass = SharedValue
