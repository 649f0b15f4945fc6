"""The whole product on one machine: a supervisor that starts every process, restarts the fallen and drains them at the end.

Workers are started as `python -m workers …`, never imported: they hold models and may be killed by an image.
Order of the end: workers first (they finish what runs), then the API, then the broker; the ledger needs no ending.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import requests
import structlog
from prometheus_client import multiprocess

from tagger.broker import Broker, open_broker
from tagger.errors import Unavailable
from tagger.job import Lane
from tagger.ledger import Ledger, open_ledger
from tagger.settings import Settings, to_env

log = structlog.get_logger()

GRACE_SECONDS = 30.0  # longer than the longest batch and the longest delivery attempt
TICK_SECONDS = 0.2
RESTART_PAUSES = (0.2, 1.0, 3.0, 10.0)
STABLE_SECONDS = 30.0
SOLO_IDLE_SECONDS = 15.0
READY_SECONDS = 60.0


@dataclass
class Child:
    """One process of the stack."""

    name: str
    argv: list[str]
    restart: bool = True
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0  # monotonic
    falls: int = 0
    not_before: float = 0.0  # monotonic

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How many processes of which kind. Lanes are processes (a lane never waits behind another)."""

    upload: int
    backfill: int
    solo_on_demand: bool = True
    api: bool = True
    flower: bool = False

    @classmethod
    def of(cls, settings: Settings, *, flower: bool = False) -> Shape:
        """A tag worker of each lane per core: one owner thread uses about one core, and an idle lane costs only memory."""
        count = settings.tag_processes or os.cpu_count() or 1
        return cls(upload=count, backfill=count, flower=flower)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago."""
    with socket.create_server((host, 0)) as server:
        port: int = server.getsockname()[1]
    return port


@dataclass
class Stack:
    settings: Settings
    shape: Shape
    children: list[Child] = field(default_factory=list)
    broker: Broker | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None
    _ledger: Ledger | None = None
    _solo_idle_since: float = 0.0

    # --- beginning ---

    def start(self) -> None:
        """Start everything and return; `wait_ready` waits. Errors: Unavailable when a part cannot start."""
        home = self.settings.home
        (home / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
        metrics = home / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir(mode=0o700)
        self.broker = open_broker(self.settings)
        self._ledger = open_ledger(self.settings.ledger)
        self._ledger.migrate()
        self.children = self._plan()
        for child in self.children:
            self._spawn(child)
        self._write_state()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def _plan(self) -> list[Child]:
        worker = [sys.executable, "-m", "workers"]
        children = [Child("reconcile", [*worker, "reconcile"]), Child("deliver", [*worker, "deliver"])]
        children += [Child(f"tag-upload-{i}", [*worker, "tag", "--lane", "upload"]) for i in range(self.shape.upload)]
        children += [Child(f"tag-backfill-{i}", [*worker, "tag", "--lane", "backfill"]) for i in range(self.shape.backfill)]
        if self.shape.api:
            children.insert(0, Child("api", [sys.executable, "-m", "tagger", "api"]))
        if self.shape.flower:
            children.append(Child("flower", [sys.executable, "-m", "tagger", "flower"]))
        return children

    def _spawn(self, child: Child) -> None:
        env = {**os.environ, **to_env(self.settings), "PROMETHEUS_MULTIPROC_DIR": str(self.settings.home / "metrics")}
        env["TAGGER_BROKER_URL"] = self.broker.url if self.broker else ""
        with (self.settings.home / "logs" / f"{child.name}.log").open("ab") as out:
            child.process = _popen(child.argv, env, out)
        child.started = time.monotonic()
        log.info("stack.started", child=child.name, pid=child.process.pid)

    # --- running ---

    def wait_ready(self, seconds: float = READY_SECONDS, on_wait: Callable[[str], None] = lambda _: None) -> None:
        """Until the API answers and a tag worker of each lane is registered. Errors: Unavailable that names what is missing."""
        deadline = time.monotonic() + seconds
        while missing := self._missing():
            for child in self.children:
                if child.falls >= len(RESTART_PAUSES):
                    raise Unavailable(f"{child.name} keeps ending: {self._last_words(child)}")
            if time.monotonic() > deadline:
                raise Unavailable(f"Not ready after {seconds:.0f} s: {', '.join(missing)}.")
            on_wait(missing[0])
            time.sleep(0.05)

    def _missing(self) -> list[str]:
        assert self._ledger is not None
        alive = self._ledger.stats().workers
        wanted = {"tag:upload": self.shape.upload, "tag:backfill": self.shape.backfill, "deliver": 1, "reconcile": 1}
        missing = [role for role, count in wanted.items() if count and not alive.get(role)]
        if self.shape.api and not self._api_answers():
            missing.append("api")
        return missing

    def _api_answers(self) -> bool:
        try:
            return requests.get(self.api_url + "/readyz", timeout=1).status_code == 200
        except requests.RequestException:
            return False

    def running(self, lane: Lane) -> int:
        """Jobs of a lane in the hands of workers, now."""
        assert self._ledger is not None
        return self._ledger.lane_counts()[lane].running

    def pid_of(self, name: str) -> int:
        """Process id of a child. Errors: KeyError if it does not run."""
        return {c.name: c.process.pid for c in self.children if c.process is not None and c.running}[name]

    @property
    def api_url(self) -> str:
        return f"http://{self.settings.api_host}:{self.settings.api_port}"

    def _watch(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            now = time.monotonic()
            for child in self.children:
                if not child.running:
                    self._revive(child, now)
            if self.broker is not None and not self.broker.alive():
                log.warning("stack.broker_ended")
                self._revive_broker()
            if self.shape.solo_on_demand:
                self._mind_solo(now)

    def _revive(self, child: Child, now: float) -> None:
        if child.process is not None:
            code, pid = child.process.returncode, child.process.pid
            multiprocess.mark_process_dead(pid, str(self.settings.home / "metrics"))  # type: ignore[no-untyped-call]
            child.process = None
            if not child.restart:
                return
            child.falls = child.falls + 1 if now - child.started < STABLE_SECONDS else 1
            pause = RESTART_PAUSES[min(child.falls, len(RESTART_PAUSES)) - 1]
            child.not_before = now + pause
            log.warning("stack.fell", child=child.name, pid=pid, code=code, restart_in_s=pause)
        elif child.restart and now >= child.not_before:
            self._spawn(child)
            self._write_state()

    def _revive_broker(self) -> None:
        try:
            self.broker = open_broker(self.settings)
        except Unavailable as err:
            log.error("stack.broker_absent", error=str(err))

    def _mind_solo(self, now: float) -> None:
        """A solo worker lives only while its lane has jobs."""
        assert self._ledger is not None
        try:
            counts = self._ledger.lane_counts()["solo"]
        except Unavailable:
            return
        busy = counts.claimable + counts.waiting + counts.running > 0
        solo = next((c for c in self.children if c.name == "tag-solo"), None)
        if busy:
            self._solo_idle_since = now
            if solo is None:
                solo = Child("tag-solo", [sys.executable, "-m", "workers", "tag", "--lane", "solo"])
                self.children.append(solo)
                self._spawn(solo)
            solo.restart = True
        elif solo is not None and solo.running and now - self._solo_idle_since > SOLO_IDLE_SECONDS:
            solo.restart = False
            assert solo.process is not None
            solo.process.terminate()

    # --- ending ---

    def stop(self, grace: float = GRACE_SECONDS) -> list[str]:
        """Drain and end every process. Returns the names of those that had to be killed."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()
        workers = [c for c in self.children if c.name != "api"]
        killed = _end(workers, grace) + _end([c for c in self.children if c.name == "api"], grace)
        if self.broker is not None:
            self.broker.stop()
        if self._ledger is not None:
            self._ledger.close()
        (self.settings.home / "stack.json").unlink(missing_ok=True)
        return killed

    def _write_state(self) -> None:
        """`stack.json`: what `tagger status` and the demo read."""
        state = {
            "supervisor": os.getpid(),
            "api": self.api_url,
            "children": {c.name: c.process.pid for c in self.children if c.process is not None},
        }
        target = self.settings.home / "stack.json"
        draft = target.with_suffix(".tmp")
        draft.write_text(json.dumps(state), "utf-8")
        draft.replace(target)

    def _last_words(self, child: Child) -> str:
        lines = (self.settings.home / "logs" / f"{child.name}.log").read_text("utf-8", "replace").splitlines()
        return lines[-1][:500] if lines else "it left no word"


def _popen(argv: list[str], env: Mapping[str, str], out: IO[bytes]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which then ends its children in order.
    return subprocess.Popen(argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)


def _end(children: list[Child], grace: float) -> list[str]:
    for child in children:
        if child.running and child.process is not None:
            child.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + grace
    killed = []
    for child in children:
        if child.process is None:
            continue
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
            killed.append(child.name)
    return killed


def read_state(home: Path) -> dict[str, object] | None:
    """The running stack of this home, or None."""
    try:
        state: dict[str, object] = json.loads((home / "stack.json").read_text("utf-8"))
        os.kill(int(str(state["supervisor"])), 0)
    except (OSError, ValueError, KeyError):
        return None
    return state
