"""A rig: a real broker, a real ledger, the product's processes, and a receiver; faults are injected from outside.

Processes that fall are started again (`keep`), as a supervisor does. Waiting is for conditions, with deadlines.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
import requests
from PIL import Image
from sqlalchemy import bindparam, create_engine, text
from support.stopping import stop_outside, writable

from faults.figures import SEED, Figures
from faults.receiver import Receiver
from tagger.asset import ImageSource
from tagger.delivery import Endpoint
from tagger.job import JobRequest, Lane
from tagger.keys import hash_key
from tagger.ledger import Ledger, open_ledger
from tagger.queue.hints import Hints
from tagger.settings import Settings, load, to_env
from tagger.settings.broker_path import broker_socket
from tagger.site import Site
from tagger.supervisor import redis_server
from tagger.system.children import start_child
from tagger.system.home import free_port, read_state

ROOT = Path(__file__).parent.parent.parent
KEY = "key-of-the-rig"
WORKERS = [sys.executable, "-m", "workers"]
PRODUCT = {"api": [sys.executable, "-m", "tagger", "api"], "up": [sys.executable, "-m", "tagger", "up"]}
UPLOAD, BACKFILL, SOLO = (f"tag --lane {lane}" for lane in ("upload", "backfill", "solo"))
HELD = text("SELECT j.id, j.token FROM jobs j JOIN workers w ON j.worker_id = w.id WHERE j.status = 'running' AND w.pid = :pid")
LIVING = text("SELECT pid FROM workers WHERE ended_ms IS NULL AND role = :role")
STATES = text("SELECT id, status, token FROM jobs WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))
CHUNK = 500


@dataclass
class Slot:
    """One process, started again when it falls, if it is kept."""

    role: str
    argv: list[str]
    env: dict[str, str]
    log: Path
    kept: bool
    process: subprocess.Popen[bytes]
    falls: list[str] = field(default_factory=list)  # exit status and last words of each process that had to be replaced


class Rig:
    def __init__(self, home: Path, *, ledger_name: str = "sqlite", a_ms: float = 5, b_ms: float = 5, **settings: Any) -> None:
        self.home, self.ledger_name = home, ledger_name
        self.pictures = home / "pictures"
        self.logs_folder = home / "logs"
        for folder in (self.pictures, self.logs_folder):
            folder.mkdir(parents=True)
        (home / "fake.json").write_text(f'{{"a_ms": {a_ms}, "b_ms": {b_ms}}}')
        self.rng = random.Random(SEED)
        self.broker = redis_server.start(home)
        defaults: dict[str, Any] = {
            "caption": "fake", "embed": "fake", "model_dir": home, "threads": 16, "max_batch": 8, "decode_processes": 1,
            "broker_url": self.broker.url, "api_port": free_port(), "deliver_seconds": 3.0,
        }  # fmt: skip
        self.settings: Settings = load({}, home=home, **{**defaults, **settings})
        self.ledger: Ledger = open_ledger(self.settings.ledger)
        self.ledger.migrate()
        self.reader = create_engine(self.settings.ledger, pool_pre_ping=True)
        self.receivers: list[Receiver] = []
        self.receiver = self.add_site("site")
        self.ledger.add_key("site", "rig", hash_key(KEY))
        self.slots: list[Slot] = []
        self.accepted: dict[str, float] = {}  # job → moment of its acceptance, monotonic
        self.made = 0
        self._watching = threading.Event()
        self._lock = threading.Lock()
        self._closing = False
        self._http = requests.Session()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    # --- processes ---

    def start(self, role: str, *, kept: bool = True, count: int = 1, **settings: Any) -> Slot:
        """`api`, `up` (the supervisor with its children) or a role of `python -m workers`, `count` times; returns the last.

        `settings` are for it alone.
        """
        for _ in range(count):
            argv = PRODUCT.get(role) or [*WORKERS, *role.split()]
            theirs = self.settings.model_copy(update=settings)
            log = self.logs_folder / f"{role.replace(' --lane ', '-')}-{len(self.slots)}.log"
            env = {**os.environ, **to_env(theirs)}
            slot = Slot(role, argv, env, log, kept, _popen(argv, env, log))
            with self._lock:
                self.slots.append(slot)
        return slot

    def ready(self, seconds: float = 40) -> None:
        """Until every process that was started is at work."""
        for role in {slot.role for slot in self.slots}:
            mine = [s for s in self.slots if s.role == role]
            self.until(lambda role=role, mine=mine: len(self.working(role)) >= len(mine), f"{role} works", seconds)  # type: ignore[misc]

    def working(self, role: str) -> list[Slot]:
        """The processes of this role that live and are registered (for the API: answer)."""
        mine = [s for s in self.slots if s.role == role and s.process.poll() is None]
        if role == "api":
            return [s for s in mine if self.answers()]
        if role == "up":
            return [s for s in mine if (state := read_state(self.home)) and state["supervisor"] == s.process.pid]
        with self.reader.connect() as conn:
            pids = set(conn.execute(LIVING, {"role": role.split()[0]}).scalars())
        return [s for s in mine if s.process.pid in pids]

    def kill(self, slot: Slot, number: int = signal.SIGKILL) -> None:
        """To the whole process group: decoders and all."""
        process = slot.process  # the keeper puts another in its place as soon as it has fallen
        os.killpg(process.pid, number)
        if number == signal.SIGKILL:
            process.wait()

    def freeze(self, slot: Slot) -> None:
        """Stops it outside a transaction: one inside is Q16's."""
        if self.ledger_name == "postgres":  # its server ends such a transaction itself
            self.kill(slot, signal.SIGSTOP)
        else:
            stop_outside(slot.process.pid, self.home / "ledger.sqlite")

    def writable(self, seconds: float) -> bool:
        """Whether SQLite's write lock comes free within so many seconds."""
        return writable(self.home / "ledger.sqlite", seconds)

    def falls(self, role: str = "") -> int:
        """How often kept processes of this role were started again."""
        return sum(len(s.falls) for s in self.slots if s.role.startswith(role))

    def _keep(self) -> None:
        while not self._watching.wait(0.1):
            with self._lock:
                for slot in self.slots:
                    if slot.kept and slot.process.poll() is not None and not self._closing:
                        slot.falls.append(f"exit {slot.process.returncode}: {_tail(slot.log)}")
                        slot.process = _popen(slot.argv, slot.env, slot.log)

    def answers(self) -> bool:
        """Whether the API does."""
        try:
            return self._http.get(f"{self.api}/healthz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    # --- work ---

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.settings.api_port}"

    def add_site(self, site_id: str, *, url: str = "", **fields: Any) -> Receiver:
        """A site with a receiver of its own."""
        receiver = Receiver()
        self.receivers.append(receiver)
        self.ledger.put_site(Site(id=site_id, name=site_id, **fields))
        self.ledger.put_endpoint(
            Endpoint(
                id=f"end_{site_id}", site_id=site_id, url=url or receiver.url, secrets=(receiver.secret,), allow_private=True
            )
        )
        return receiver

    def colour(self) -> tuple[int, int, int]:
        self.made += 1
        return (self.made % 200, self.made // 200 % 256, 100)

    def put(self, *, asset: str = "", timeout: float = 10) -> requests.Response:
        """One picture over the API, its bytes in the request; counted as accepted if the answer is 202."""
        colour = self.colour()
        answer = self._http.put(
            f"{self.api}/v1/assets/{asset or f'asset-{self.made}'}/image",
            data=png(colour), headers={"Authorization": f"Bearer {KEY}", "Content-Type": "image/png"}, timeout=timeout,
        )  # fmt: skip
        if answer.status_code == 202:
            self.accepted[answer.json()["id"]] = time.monotonic()
        return answer

    def accept(
        self, count: int, *, lane: Lane = "upload", colour: tuple[int, int, int] | None = None, site: str = "site",
        asset: str = "", revision: str = "1", side: int = 32,
    ) -> list[str]:  # fmt: skip
        """So many new pictures, straight into the ledger, without hints."""
        requests_: list[JobRequest] = []
        for _ in range(count):
            mine = self.colour()
            path = self.pictures / f"{self.made}.png"
            path.write_bytes(png(colour or mine, side))
            source = ImageSource(kind="file", location=str(path), root=str(self.pictures))
            name = asset or f"asset-{self.made}"
            requests_.append(JobRequest(site_id=site, asset_id=name, asset_revision=revision, source=source, lane=lane))
        ids: list[str] = []
        for first in range(0, count, CHUNK):
            ids += [a.job_id for a in self.ledger.accept(requests_[first : first + CHUNK])]
        self.accepted.update(dict.fromkeys(ids, time.monotonic()))
        return ids

    def submit(self, count: int, *, lane: Lane = "upload") -> list[str]:
        """Accepted and hinted at, as the API does it, but all at once."""
        ids = self.accept(count, lane=lane)
        hints = Hints(self.broker.url)
        hints.send_many(ids, lane)
        hints.close()
        return ids

    # --- looking ---

    def states(self, ids: Sequence[str] | None = None) -> dict[str, str]:
        """Status per job, of all accepted ones by default."""
        wanted = list(self.accepted) if ids is None else list(ids)
        found: dict[str, str] = {}
        with self.reader.connect() as conn:
            for first in range(0, len(wanted), CHUNK):
                rows = conn.execute(STATES, {"ids": wanted[first : first + CHUNK]})
                found.update({row.id: row.status for row in rows})
        return found

    def held(self, slot: Slot) -> dict[str, str]:
        """Jobs in the hands of this process, each with its claim's token."""
        with self.reader.connect() as conn:
            return {row.id: row.token for row in conn.execute(HELD, {"pid": slot.process.pid})}

    def running(self) -> int:
        return sum(self.ledger.lane_counts()[lane].running for lane in ("upload", "backfill", "solo"))

    def count(self, status: str) -> int:
        jobs: dict[str, int] = dict(self.ledger.stats().jobs)  # type: ignore[arg-type]
        return jobs.get(status, 0)

    def unfinished(self) -> int:
        """Accepted jobs that nobody described yet."""
        return len(self.accepted) - self.count("done") - self.count("described") - self.count("dead")

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
        """Waits for the condition; returns how long it took."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < seconds, f"not within {seconds:.0f} s: {what} (seed {SEED}, {self.logs_folder})"
            time.sleep(0.03)
        return time.monotonic() - began

    def all_done(self, seconds: float, ids: Sequence[str] | None = None) -> float:
        """Until every accepted job is done (described, delivered); returns how long that took."""
        wanted = list(self.accepted) if ids is None else list(ids)

        def finished() -> bool:
            return self.count("done") >= len(wanted) and set(self.states(wanted).values()) == {"done"}

        try:
            return self.until(finished, f"{len(wanted)} jobs are done", seconds)
        except AssertionError as err:
            left = {job: state for job, state in self.states(wanted).items() if state != "done"}
            raise AssertionError(f"{err}: {len(left)} are not: {dict(list(left.items())[:5])}") from None

    def recoveries(self, ids: Sequence[str], since: float, seconds: float, ends: Sequence[str] = ("done", "dead")) -> list[float]:
        """Seconds from `since` to the end of each of these jobs."""
        left, took = set(ids), list[float]()

        def look() -> bool:
            ended = {job for job, state in self.states(sorted(left)).items() if state in ends} if left else set[str]()
            took.extend([time.monotonic() - since] * len(ended))
            left.difference_update(ended)
            return not left

        self.until(look, f"{len(ids)} jobs recover", seconds)
        return took

    def reclaims(self, held: dict[str, str], since: float, seconds: float) -> list[float]:
        """Seconds from `since` until each of these jobs was claimed anew."""
        left, took = dict(held), list[float]()

        def look() -> bool:
            with self.reader.connect() as conn:
                rows = conn.execute(STATES, {"ids": sorted(left) or [""]}).all()
            for row in rows:
                if row.status != "accepted" and row.token != left[row.id]:
                    took.append(time.monotonic() - since)
                    del left[row.id]
            return not left or {r.status for r in rows} <= {"described", "done"}  # it had ended before it was killed

        self.until(look, f"{len(held)} jobs are claimed anew", seconds)
        return took

    def figures(
        self, fault: str, *, ids: Sequence[str] = (), lost: int | None = None, recovery_s: Sequence[float] = (), **more: Any
    ) -> Figures:
        """Lost: accepted jobs that are neither done nor dead with a cause. `ids`: of these jobs only."""
        states = self.states(ids or None)
        mine = ids or list(self.accepted)
        missing = sum(1 for job in mine if states.get(job) not in ("done", "dead"))
        return Figures(
            fault=fault, ledger=self.ledger_name, accepted=len(mine), lost=missing if lost is None else lost,
            duplicates=sum(r.duplicates() for r in self.receivers), recovery_s=recovery_s, more=more,
        )  # fmt: skip

    def effective(self) -> int:
        return sum(sum(r.effective.values()) for r in self.receivers)

    def charged(self, ids: Sequence[str]) -> int:
        """Attempts and crashes on the account of these jobs."""
        return sum(job.failures + job.crashes for job in map(self.ledger.job, ids))

    def redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(broker_socket(self.home)))

    def logged(self, word: str) -> bool:
        return any(word in file.read_text("utf-8", "replace") for file in self.logs_folder.glob("*.log"))

    def last_words(self) -> str:
        fallen = [f"--- {slot.role} fell: {fall}" for slot in self.slots for fall in slot.falls]
        return "\n".join([*fallen, *(f"--- {f.name}\n{_tail(f)}" for f in sorted(self.logs_folder.glob("*.log")))])

    # --- the broker ---

    def kill_broker(self) -> None:
        assert self.broker.process is not None
        self.broker.process.kill()
        self.broker.process.wait()

    def restart_broker(self, *, empty: bool = False) -> None:
        if empty:
            shutil.rmtree(self.home / "broker" / "appendonlydir", ignore_errors=True)
        self.broker = redis_server.start(self.home)

    def close(self) -> None:
        self._closing = True
        self._watching.set()
        self._keeper.join()
        for slot in self.slots:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(slot.process.pid, signal.SIGKILL)
            slot.process.wait()
        self._http.close()
        for receiver in self.receivers:
            receiver.close()
        self.reader.dispose()
        self.ledger.close()
        self.broker.stop()


def png(colour: tuple[int, int, int], side: int = 32) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-800:]


def _popen(argv: list[str], env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return start_child(argv, env=env, cwd=ROOT, stdout=out, stderr=out, own_session=True)
