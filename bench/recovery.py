"""S4: from SIGKILL of a worker to the new claim of each job that it held, by a worker that is warm.

Three tag workers with the fake model and a backlog; some are killed at once, all the jobs they hold are noted, and the
ledger's clock says when each was claimed again. The supervisor starts the killed ones anew. The next kill comes when every
freed job has ended, since a job that loses two workers goes to the solo lane, which is another path. Until 1,000 jobs.

A sole worker has nobody warm beside it: its jobs wait for its successor to load. That is measured apart, with the lite model.
Run: `python -m bench.recovery`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.house import House, percentile, photos
from tagger.supervisor.plan import ProcessPlan

BAR_MS = 10_000
PATIENCE_SECONDS = 120.0
SPEC = {"a_ms": 20.0, "b_ms": 4.0}
SIDE = 160


def held_by(house: House, pids: list[int]) -> list[str]:
    """The jobs in the hands of these processes."""
    marks = ",".join("?" * len(pids))
    query = f"SELECT id FROM jobs WHERE status = 'running' AND worker_id IN (SELECT id FROM workers WHERE pid IN ({marks}))"
    return [row[0] for row in house.rows(query, *pids)]


def kill(house: House, names: list[str]) -> tuple[int, list[str]]:
    """(when, ms since 1970; the jobs that the dead held)."""
    pids = [house.stack.pid_of(name) for name in names]
    killed_ms = time.time_ns() // 1_000_000
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return killed_ms, held_by(house, pids)


def reclaimed(house: House, killed_ms: int, ids: list[str]) -> list[float]:
    """How long each job waited, ms, once all of them were claimed again and have ended. Errors: RuntimeError after long."""
    pause = threading.Event()
    deadline = time.monotonic() + PATIENCE_SECONDS
    marks = ",".join("?" * len(ids))
    query = f"SELECT claimed_ms FROM jobs WHERE id IN ({marks}) AND claimed_ms > ? AND status IN ('described', 'done')"
    while len(found := house.rows(query, *ids, killed_ms)) < len(ids):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(ids) - len(found)} of {len(ids)} jobs were not claimed again within {PATIENCE_SECONDS} s.")
        pause.wait(0.1)
    return [float(row[0] - killed_ms) for row in found]


def until_full(house: House, names: list[str], least: int) -> None:
    """Until each of these workers runs and holds so many jobs."""
    pause = threading.Event()
    while True:
        try:
            if all(len(held_by(house, [house.stack.pid_of(name)])) >= least for name in names):
                return
        except KeyError:  # not started anew yet
            pass
        pause.wait(0.1)


def measure(plan: ProcessPlan, jobs: int, victims: int, least: int, **settings: Any) -> list[float]:
    """Waits in ms, of at least `jobs` jobs."""
    waits: list[float] = []
    with House(plan, **settings) as house:
        stop = threading.Event()
        feeder = threading.Thread(target=house.keep_fed, args=(cycle(photos(SIDE)), "upload", 300, stop))
        feeder.start()
        turn = 0
        while len(waits) < jobs:
            names = [f"tag-upload-{(turn + i) % plan.upload}" for i in range(victims)]
            until_full(house, names, least)
            killed_ms, ids = kill(house, names)
            if ids:
                waits += reclaimed(house, killed_ms, ids)
                print(f"kill {turn // victims + 1}: {len(ids)} jobs, latest after {max(waits[-len(ids) :]):.0f} ms", flush=True)
            turn += victims
        stop.set()
        feeder.join()
    return waits


def figures(waits: list[float]) -> dict[str, float]:
    return {
        "jobs": len(waits),
        **{f"p{share}_ms": round(percentile(waits, share)) for share in (50, 95, 99)},
        "max_ms": max(waits),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="From SIGKILL to the new claim (S4).")
    parser.add_argument("--jobs", type=int, default=1000, help="freed jobs to count, at least")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--victims", type=int, default=2, help="killed at once")
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--sole-jobs", type=int, default=30, help="freed jobs of a sole worker, at least")
    args = parser.parse_args()
    print(f"constants: {vars(args)}; fake model {SPEC}; beats of 2 s, death after 6 s of silence")
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        (models / "fake.json").write_text(json.dumps({**SPEC, "lock_path": str(models / "device.lock")}))
        chosen = {"caption": "fake", "embed": "fake", "model_dir": models, "threads": args.threads}
        plan = ProcessPlan(upload=args.workers, backfill=0, api=False, solo_on_demand=False)
        warm = figures(measure(plan, args.jobs, args.victims, args.threads // 2, **chosen))
    sole_shape = ProcessPlan(upload=1, backfill=0, api=False, solo_on_demand=False)
    sole = (
        figures(measure(sole_shape, args.sole_jobs, 1, 8, caption="lite", embed="lite", threads=16)) if args.sole_jobs else None
    )
    print(f"{'':>24} {'jobs':>6} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    for name, row in (("by a warm worker", warm), ("sole worker, reload", sole)):
        if row is not None:
            print(f"{name:>24} " + " ".join(f"{value:>{6 if key == 'jobs' else 8}.0f}" for key, value in row.items()))
    ok = warm["p99_ms"] <= BAR_MS and warm["jobs"] >= args.jobs
    print(json.dumps({"figure": "S4", "bar_ms": BAR_MS, "ok": ok, "warm": warm, "sole": sole, **vars(args)}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
