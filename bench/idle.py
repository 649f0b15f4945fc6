"""What an idle `tagger up` with the lite models holds and uses, by role, and how long the first uploads then take.

python -m bench.idle
python -m bench.idle --beside DIR      # by turns with another checkout, which has a virtual environment .venv of its own

Memory is the proportional set size (PSS) of every process that `tagger up` started, from /proc/PID/smaps_rollup. Exit status 1: a
bar is missed. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
import requests

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "tagger" / "demo" / "photos" / "flower.jpg"
MOST_MIB = 600.0
MOST_PERCENT = 2.0
UPLOADS = 10
OPEN = ("accepted", "running")  # statuses of a job that is not described yet
BURSTS = 3  # one after the other: the first finds an idle stack
IDLE_ROLES = ("decode", "tag --lane upload", "tag --lane backfill", "tag --lane solo", "reconcile", "deliver", "tagger api")


@dataclass(frozen=True, kw_only=True)
class Idle:
    """One stack, of one checkout."""

    mib: Mapping[str, float]  # by role
    percent: Mapping[str, float]  # of one processor, by role
    first_ms: float  # the first upload that this home ever saw
    later_ms: list[float] = field(default_factory=list)  # others, each after the stack was idle for a while
    burst_seconds: list[float] = field(default_factory=list)  # until all uploads of a burst are answered; of several bursts

    @property
    def total_mib(self) -> float:
        return sum(self.mib.values())

    @property
    def total_percent(self) -> float:
        return sum(self.percent.values())


def role_of(process: psutil.Process) -> str:
    line = " ".join(process.cmdline())
    if "valkey" in line or "redis-server" in line:
        return "broker"
    return next((role for role in IDLE_ROLES if role in line or f"workers.{role}" in line), "supervisor")


def pss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@contextmanager
def running(checkout: Path, home: Path) -> Iterator[psutil.Process]:
    python = checkout / ".venv" / "bin" / "python"
    tagger = [str(python if python.exists() else sys.executable), "-m", "tagger"]
    env = {name: text for name, text in os.environ.items() if not name.startswith("TAGGER_")} | {"TAGGER_HOME": str(home)}
    process = subprocess.Popen([*tagger, "up", "--port", "0"], cwd=checkout, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def key_of(checkout: Path, home: Path) -> str:
    python = checkout / ".venv" / "bin" / "python"
    tagger = [str(python if python.exists() else sys.executable), "-m", "tagger", "--home", str(home)]
    subprocess.run([*tagger, "sites", "add", "s"], cwd=checkout, check=True, stdout=subprocess.DEVNULL)
    made = subprocess.run([*tagger, "keys", "create", "--site", "s", "--json"], cwd=checkout, check=True, stdout=subprocess.PIPE)
    return str(json.loads(made.stdout)["key"])


def upload_ms(api: str, key: str, number: int) -> float:
    """The whole call; the picture has bytes of its own, so that no prediction is kept of it."""
    image, body = PHOTO.read_bytes() + str(number).encode(), json.dumps({"asset": {"id": f"a{number}"}})
    began = time.monotonic()
    answer = requests.post(
        f"{api}/v1/describe?site=s",
        files={"image": image},
        data={"job": body},
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )
    if answer.status_code == 202:
        _wait_until_described(api, key, str(answer.json()["id"]))
    elif answer.status_code != 200:
        raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")
    return (time.monotonic() - began) * 1000


def _wait_until_described(api: str, key: str, job_id: str) -> None:
    """On a machine so busy that `describe` stopped waiting."""
    url, headers = f"{api}/v1/jobs/{job_id}", {"Authorization": f"Bearer {key}"}
    while requests.get(url, headers=headers, timeout=60).json()["status"] in OPEN:
        time.sleep(0.1)


def burst_seconds(api: str, key: str, first: int, uploads: int) -> float:
    """Uploads that come at the same moment."""
    began = time.monotonic()
    with ThreadPoolExecutor(uploads) as pool:
        list(pool.map(lambda number: upload_ms(api, key, number), range(first, first + uploads)))
    return time.monotonic() - began


def measure(checkout: Path, settle: float, seconds: float, pause: float, burst: int) -> Idle:
    with tempfile.TemporaryDirectory() as folder, running(checkout, Path(folder)) as supervisor:
        key = key_of(checkout, Path(folder))
        api = json.loads((Path(folder) / "stack.json").read_text())["api"]
        time.sleep(settle)
        processes = [supervisor, *supervisor.children(recursive=True)]
        mib: defaultdict[str, float] = defaultdict(float)
        percent: defaultdict[str, float] = defaultdict(float)
        before = {process: processor_seconds(process) for process in processes}
        time.sleep(seconds)
        for process in processes:
            percent[role_of(process)] += (processor_seconds(process) - before[process]) / seconds * 100
            mib[role_of(process)] += pss_mib(process.pid)
        first, later = upload_ms(api, key, 0), []
        for number in range(1, UPLOADS + 1):
            time.sleep(pause)
            later.append(upload_ms(api, key, number))
        bursts = [burst_seconds(api, key, 1000 * turn, burst) for turn in range(1, BURSTS + 1)] if burst else []
        return Idle(mib=dict(mib), percent=dict(percent), first_ms=first, later_ms=later, burst_seconds=bursts)


def show(name: str, found: Idle) -> None:
    print(f"\n{name}")
    for role in sorted(found.mib, key=lambda role: -found.mib[role]):
        print(f"  {found.mib[role]:7.1f} MiB  {found.percent[role]:5.2f} %  {role}")
    print(f"  {found.total_mib:7.1f} MiB  {found.total_percent:5.2f} %  all")
    print(f"  first answer {found.first_ms:.0f} ms; after a pause, median {statistics.median(found.later_ms):.0f} ms", flush=True)
    print(f"  bursts, until the last answer: {', '.join(f'{seconds:.1f} s' for seconds in found.burst_seconds)}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory and processor time of an idle stack, and its first answers.")
    parser.add_argument("--settle", type=float, default=20.0, help="seconds between the start and the measurement")
    parser.add_argument("--seconds", type=float, default=60.0, help="over which processor time is measured")
    parser.add_argument("--pause", type=float, default=8.0, help="seconds before each later upload")
    parser.add_argument("--burst", type=int, default=40, help="uploads at the same moment, at the end; 0: none")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--beside", type=Path, help="another checkout, measured by turns")
    args = parser.parse_args()
    mine: list[Idle] = []
    for number in range(args.rounds):
        for checkout in (ROOT, args.beside):
            if checkout is not None:
                found = measure(checkout.resolve(), args.settle, args.seconds, args.pause, args.burst)
                show(f"round {number + 1}, {checkout.resolve().name}", found)
                mine += [found] if checkout == ROOT else []
    met = all(found.total_mib <= MOST_MIB and found.total_percent <= MOST_PERCENT for found in mine)
    print(f"\n≤ {MOST_MIB:.0f} MiB and ≤ {MOST_PERCENT} % of a processor: {'met' if met else 'MISSED'}")
    print(json.dumps([asdict(found) for found in mine]))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
