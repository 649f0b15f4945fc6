"""A look at everything every few seconds: jobs done, memory and processor time by role, ledger and broker size."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis

from bench.idle import pss_mib, role_of
from bench.load.product import Product
from tagger.settings.broker_path import broker_socket

MIB = 1 << 20
SHORT = {"tag --lane upload": "tag upload", "tag --lane backfill": "tag backfill", "tag --lane solo": "tag solo",
         "tagger api": "api", "decode": "decoders"}  # fmt: skip
WAITS = (
    "SELECT coalesce(wait_event_type || ':' || wait_event, 'processor') FROM pg_stat_activity "
    "WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    at_s: float
    done: int  # jobs
    waiting: int  # jobs that no worker claimed yet
    undelivered: int  # described jobs whose message the receiver did not answer yet
    memory_mib: dict[str, float]  # by role, PSS
    ledger_mib: float
    broker_mib: float  # used memory of the server
    broker_file_mib: float  # its append-only file
    hints: int  # in the lanes' queues

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Processors:
    """Processor seconds by role since the first look. A process that ended counts with what it had used at the last look."""

    before: dict[int, float] = field(default_factory=dict)  # pid → seconds that it had used at the first look
    used: dict[int, tuple[str, float]] = field(default_factory=dict)  # pid → role, seconds

    def look(self, role: str, process: psutil.Process, *, first: bool) -> None:
        times = process.cpu_times()
        seconds = times.user + times.system
        if first:
            self.before[process.pid] = seconds
        self.used[process.pid] = (role, seconds)

    def by_role(self) -> dict[str, float]:
        total: defaultdict[str, float] = defaultdict(float)
        for pid, (role, seconds) in self.used.items():
            total[role] += seconds - self.before.get(pid, 0.0)
        return dict(total)


class Sampler:
    def __init__(self, product: Product, every_s: float, tell: Callable[[Sample], None]) -> None:
        self.samples: list[Sample] = []
        self.waits: Counter[str] = Counter()  # what PostgreSQL's sessions waited for, by looks
        self.processors = Processors()
        self._product, self._every_s, self._tell = product, every_s, tell
        self._redis = redis.Redis(unix_socket_path=str(broker_socket(product.home)))
        self.broker_version = self._version()
        self._began, self._busy = time.monotonic(), _busy_seconds()
        self._stop = threading.Event()
        self._look_at_processes(first=True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        self.look()
        self.seconds = time.monotonic() - self._began
        self.busy_seconds = _busy_seconds() - self._busy  # of the whole machine
        self._redis.close()

    def look(self) -> None:
        stats = self._product.ledger.stats()
        info = self._redis.info()
        self.waits.update(word for (word,) in self._product.sql(WAITS))
        sample = Sample(
            at_s=round(time.monotonic() - self._began, 1),
            done=stats.jobs.get("done", 0),
            waiting=stats.jobs.get("accepted", 0),
            undelivered=stats.jobs.get("described", 0),
            memory_mib=self._look_at_processes(),
            ledger_mib=round(int(self._product.sql("SELECT pg_database_size(current_database())")[0][0]) / MIB, 1),
            broker_mib=round(info["used_memory"] / MIB, 2),
            broker_file_mib=round(info.get("aof_current_size", 0) / MIB, 2),
            hints=sum(self._redis.llen(key) for key in self._redis.scan_iter(_type="list")),
        )
        self.samples.append(sample)
        self._tell(sample)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.look()

    def _version(self) -> str:
        server = self._redis.info("server")
        kind = "valkey" if "valkey_version" in server else "redis"
        return f"{kind} {server[f'{kind}_version']}"

    def _look_at_processes(self, *, first: bool = False) -> dict[str, float]:
        memory: defaultdict[str, float] = defaultdict(float)
        for role, process in self._processes():
            try:
                self.processors.look(role, process, first=first)
                memory[role] += pss_mib(process.pid)
            except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                continue  # it ended between the two looks
        return {role: round(mib, 1) for role, mib in sorted(memory.items())}

    def _processes(self) -> list[tuple[str, psutil.Process]]:
        """This process runs the supervisor, the sender of the uploads, the receiver and the sampler."""
        me = psutil.Process()
        found: list[tuple[str, psutil.Process]] = [("receiver, sender", me)]
        for child in me.children(recursive=True):
            try:
                role = role_of(child)
            except psutil.NoSuchProcess:
                continue
            found.append((SHORT.get(role, role), child))
        postmaster = psutil.Process(int((self._product.server.folder / "data" / "postmaster.pid").read_text().split()[0]))
        found = [(role, child) for role, child in found if child.pid != postmaster.pid and role != "supervisor"]
        return [*found, *(("postgres", one) for one in [postmaster, *postmaster.children()])]


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def processor_name() -> str:
    lines = Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
