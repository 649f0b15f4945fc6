"""The whole product on one machine: a supervisor that starts every process, restarts the fallen and drains them at the end.

Workers are started as `python -m workers …`, never imported: they hold models and may be killed by an image.
Order of the end: workers first (they finish what runs), then the API, then the broker; the ledger needs no ending.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import IO
from urllib.parse import urlsplit

import structlog

from tagger.errors import Unavailable
from tagger.ledger import Ledger, open_ledger
from tagger.settings import Settings, child_env
from tagger.supervisor import ports
from tagger.supervisor.broker_watch import BrokerWatch
from tagger.supervisor.home_files import HomeFiles
from tagger.supervisor.on_demand import OnDemand
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.process import Child, end, popen
from tagger.system.home import Phase, check_room, listens, local_url, lock_home, make_home
from tagger.telemetry import metric_files

log = structlog.get_logger()

GRACE_SECONDS = 30.0  # longer than the longest batch and the longest delivery attempt
TICK_SECONDS = 0.2  # between two looks at whether all processes run
CLOSER_SECONDS = 0.6  # between two at how they are, which costs more
RESTART_PAUSES = (0.2, 1.0, 3.0, 10.0)
STABLE_SECONDS = 30.0
READY_SECONDS = 60.0


@dataclass
class Stack:
    """`start` belongs in a thread that lives as long as the stack: on Linux the children end with it."""

    settings: Settings
    plan: ProcessPlan
    children: list[Child] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _settled: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: IO[str] | None = None
    _life: tuple[int, int] = (-1, -1)  # a pipe; its write end is held by this process alone, and closed by its death
    _watcher: threading.Thread | None = None
    _ledger: Ledger | None = None
    _on_demand: OnDemand | None = None
    _looked_closer: float = 0.0

    def __post_init__(self) -> None:
        self._broker = BrokerWatch(self.settings)
        self._files = HomeFiles(self.settings.home, self.settings.log_file_bytes)

    # --- beginning ---

    def start(self) -> None:
        """Start everything and return; `wait_ready` waits.

        Errors: SettingsError for a home that cannot be used, Conflict when a stack runs on it, DiskFull, PortTaken, Unavailable
        when a part cannot start.
        """
        home = self.settings.home
        make_home(home)
        check_room(home)
        self._lock = lock_home(home)
        self._files.forget()  # of one that was killed
        self._life = os.pipe()
        if self.plan.api:
            self.settings = ports.with_api_port(self.settings)
        ports.check_flower(self.plan)
        self.children = self.plan.children()
        self._on_demand = OnDemand(self.children) if any(child.on_demand for child in self.children) else None
        ports.give_metrics_ports(self.settings, self.children)
        self._files.prepare()
        self._broker.open()
        self._ledger = open_ledger(self.settings.ledger)
        self._ledger.migrate()
        for child in self.children:
            if child.restart:
                self._spawn(child)
        self._files.tell(self.api_url, self.children)
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def _spawn(self, child: Child) -> None:
        env = child_env(self.settings, role=child.name)
        if child.name != "flower":  # it would map its own metrics' files into memory
            env[metric_files.FOLDER_ENV] = str(self._files.metrics)
        env["TAGGER_METRICS_PORT"] = str(child.metrics_port)
        if not self.settings.broker_url:
            env["TAGGER_BROKER_URL"] = self._broker.url
        with self._files.log_of(child).open("ab") as out:
            child.process = popen(child.argv, env, self._life[0], out)
        child.started = time.monotonic()
        log.info("stack.started", child=child.name, pid=child.process.pid)

    # --- running ---

    def wait_ready(
        self,
        seconds: float = READY_SECONDS,
        on_wait: Callable[[str], None] = lambda _: None,
        give_up: threading.Event | None = None,
    ) -> list[str]:
        """Until the API answers and a tag worker of each lane that always has one is registered, or until `give_up` is set.

        Returns what is still on its way after `seconds`: tag workers that run and load their models. On a busy machine, or with
        large weights, that may take long, and what is accepted waits for them.
        Errors: Unavailable that names what else is missing; whatever a worker said that it cannot start for.
        """
        deadline = time.monotonic() + seconds
        while (missing := self._missing()) and not (give_up is not None and give_up.is_set()):
            for child in self.children:
                if child.falls and (cause := self._files.cause(child)) is not None:
                    raise cause
                if child.falls >= len(RESTART_PAUSES):
                    raise Unavailable(f"{child.name} keeps ending: {self._files.last_words(child)}")
            if time.monotonic() > deadline:
                if all(role.startswith("tag:") for role in missing):
                    log.warning("stack.still_starting", roles=missing, seconds=seconds)
                    self._enter("running")
                    return missing
                raise Unavailable(
                    f"Not ready after {seconds:.0f} s: {', '.join(missing)}.", "Read the files in logs/ of the home."
                )
            on_wait(missing[0])
            time.sleep(0.05)
        self._enter("running")
        return []

    def _enter(self, phase: Phase) -> None:
        self._files.phase = phase
        self._files.tell(self.api_url, self.children)

    def _missing(self) -> list[str]:
        assert self._ledger is not None
        alive = self._ledger.stats().workers
        backfill = 0 if self.plan.backfill_on_demand else self.plan.backfill
        wanted = {"tag:upload": self.plan.upload, "tag:backfill": backfill, "deliver": 1, "reconcile": 1}
        missing = [role for role, count in wanted.items() if count and not alive.get(role)]
        if self.plan.api and not self._api_answers():
            missing.append("api")
        if self.plan.flower and not listens("127.0.0.1", self.plan.flower):
            missing.append("flower")
        return missing

    def _api_answers(self) -> bool:
        url = urlsplit(self.api_url)
        connection = HTTPConnection(url.hostname or "", url.port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def in_hands(self) -> dict[int, int]:
        """Process id → jobs in its hands, now, of the workers that hold any."""
        assert self._ledger is not None
        return self._ledger.in_hands(socket.gethostname())

    def pid_of(self, name: str) -> int:
        """Process id of a child. Errors: KeyError if it does not run."""
        return {c.name: c.process.pid for c in self.children if c.process is not None and c.running}[name]

    @property
    def api_url(self) -> str:
        return local_url(self.settings.api_host, self.settings.api_port)

    def _watch(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            try:
                self._look(time.monotonic())
            except Exception as err:  # a full disk, no more processes: the next look may find it mended
                log.exception("stack.watch_failed", error=type(err).__name__)
        self._settled.set()
        self._ended.wait()  # what was started from here ends with this thread, so not before it was drained

    def _look(self, now: float) -> None:
        for child in self.children:
            if not child.running:
                self._revive(child, now)
        self._broker.look()
        if now - self._looked_closer >= CLOSER_SECONDS:
            self._looked_closer = now
            self._look_closer(now)

    def _look_closer(self, now: float) -> None:
        self._files.catch_up(self.api_url, self.children)
        for child in self.children:
            if child.running and child.end_if_stopped(now):
                log.warning("stack.stopped", child=child.name)  # the next look starts it anew
        self._files.cap_logs(self.children)
        self._broker.ping(now)
        if self._on_demand is not None:
            self._look_at_lanes(self._on_demand, now)

    def _revive(self, child: Child, now: float) -> None:
        if child.process is not None:
            code, pid = child.process.returncode, child.process.pid
            child.process = None
            self._files.fold_metrics(self.children)
            if not child.restart or (child.on_demand and code == 0):  # it was let go; perhaps it is wanted again by now
                self._files.tell(self.api_url, self.children)
                return
            child.falls = child.falls + 1 if now - child.started < STABLE_SECONDS else 1
            pause = RESTART_PAUSES[min(child.falls, len(RESTART_PAUSES)) - 1]
            child.not_before = now + pause
            log.warning("stack.fell", child=child.name, pid=pid, code=code, restart_in_s=pause)
        elif child.restart and now >= child.not_before:
            self._spawn(child)
            self._files.tell(self.api_url, self.children)

    def _look_at_lanes(self, on_demand: OnDemand, now: float) -> None:
        """The next look starts the workers that are wanted now."""
        assert self._ledger is not None
        with contextlib.suppress(Unavailable):
            on_demand.update(self._ledger.lane_counts(), now, self._ledger.now_ms())

    # --- ending ---

    def stop(self, grace: float = GRACE_SECONDS) -> list[str]:
        """Drain and end every process. Returns the names of those that had to be killed."""
        if self._lock is None:
            return []  # it never started; another one may run here
        self._stop.set()
        if self._watcher is not None:
            self._settled.wait()
            self._enter("draining")
        workers = [c for c in self.children if c.name != "api"]
        killed = end(workers, grace) + end([c for c in self.children if c.name == "api"], grace)
        self._broker.stop()
        if self._ledger is not None:
            self._ledger.close()
        self._ended.set()
        if self._watcher is not None:
            self._watcher.join()
        self._files.forget()
        for end_of_pipe in self._life:
            os.close(end_of_pipe)
        self._lock.close()
        self._lock = None
        return killed
