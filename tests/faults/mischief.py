"""The faults of a soak: seeded kills and stops of processes, restarts of the broker and of the ledger."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable

import psutil
from support.postgres import Cluster

from faults.harness import Rig
from faults.memory import Living
from tagger.system.home import read_state

KINDS = ("kill", "kill", "kill", "kill", "freeze", "decoder", "broker", "ledger")
PAUSE_SECONDS = (6.0, 22.0)  # between two faults


class Mischief:
    def __init__(self, rig: Rig, server: Cluster | None, rng: random.Random, now_s: Callable[[], float]) -> None:
        self.rig, self.server, self.rng, self.now_s = rig, server, rng, now_s
        self.counts: Counter[str] = Counter()
        self.marks: list[tuple[float, str]] = []
        self._over = threading.Event()
        self.thread = threading.Thread(target=self._run, name="mischief", daemon=True)

    def end(self) -> None:
        self._over.set()
        self.thread.join()
        self.rig.kill_broker()  # one that was started from the thread ends with it, but not at once
        self.rig.restart_broker()

    def total(self) -> int:
        return sum(self.counts.values())

    def words(self) -> str:
        return "faults " + (", ".join(f"{kind} {n}" for kind, n in sorted(self.counts.items())) or "none")

    def living(self) -> list[Living]:
        """Every process of the product: the supervisor's children can be hit, the others are spared."""
        found = [
            Living(role=slot.role.replace(" --lane ", "-"), pid=slot.process.pid, spared=True)
            for slot in self.rig.slots
            if slot.role != "up"
        ]
        hit = [Living(role=name.rstrip("-0123456789"), pid=pid, spared=False) for name, pid in self._children().items()]
        decoders = [d for one in (*found, *hit) if one.role.startswith("tag") for d in _decoders(one)]
        supervisor = [Living(role="supervisor", pid=s.process.pid, spared=True) for s in self.rig.slots if s.role == "up"]
        broker = [Living(role="broker", pid=pid, spared=False) for pid in (self.rig.broker.pid,) if pid]
        return [*found, *hit, *decoders, *supervisor, *broker]

    def _children(self) -> dict[str, int]:
        state = read_state(self.rig.home)
        return dict(state["children"]) if state else {}  # type: ignore[call-overload]

    def _run(self) -> None:
        bag: list[str] = []  # each kind comes round
        while not self._over.wait(self.rng.uniform(*PAUSE_SECONDS)):
            bag = bag or self.rng.sample(KINDS, len(KINDS))
            kind = bag.pop()
            self.marks.append((self.now_s(), kind))
            getattr(self, f"_{kind}")()
            self.counts[kind] += 1

    def _victim(self) -> int:
        children = self._children()
        return children[self.rng.choice(sorted(children))]

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._victim(), signal.SIGKILL)

    def _freeze(self) -> None:
        """Nobody wakes it: the supervisor ends it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._victim(), signal.SIGSTOP)

    def _decoder(self) -> None:
        """A decoder falls, as a picture can make it; its worker goes on."""
        decoders = [one.pid for one in self.living() if one.role.startswith("decoder")]
        if decoders:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.rng.choice(decoders), signal.SIGKILL)

    def _broker(self) -> None:
        self.rig.kill_broker()
        self._over.wait(self.rng.uniform(0, 4))
        self.rig.restart_broker(empty=self.rng.random() < 0.5)

    def _ledger(self) -> None:
        """PostgreSQL: stopped in the middle of commits. SQLite has no server: its write lock is held instead."""
        if self.server is not None:
            self.server.stop("immediate")
            self._over.wait(self.rng.uniform(0, 4))
            self.server.start()
            return
        with contextlib.closing(sqlite3.connect(self.rig.home / "ledger.sqlite", isolation_level=None, timeout=30)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            self._over.wait(self.rng.uniform(1, 4))
            lock.execute("ROLLBACK")


def _decoders(tagger: Living) -> list[Living]:
    try:
        children = psutil.Process(tagger.pid).children()
        return [
            Living(role=f"decoder of {tagger.role}", pid=c.pid, spared=tagger.spared)
            for c in children
            if "decod" in " ".join(c.cmdline())
        ]
    except psutil.NoSuchProcess:
        return []
