"""S2: how full are the batches while the device is busy?

The fake model costs a + b·n milliseconds and holds a device lock across processes. Several processes with an engine
each share it. In the closed loop every task thread takes the next image as soon as it is done with the last (a
backlog: what a backfill is); in the open loop images arrive at random at a fixed rate (uploads). Half-second windows in
which the device was in use for at least 90 % of the time count; the figure is the mean share of the budget that the
batches of these windows used. The bar holds for the closed loop. Run: `python -m bench.fill`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import mean

import numpy as np
import structlog

from tagger.errors import BatchOverdue
from workers.inference.engine import Engine
from workers.inference.engine_options import EngineHooks, EngineLimits
from workers.models.fake import FakeModel, FakeSpec
from workers.models.fake_device import busy_share, read_uses

BUSY = 0.9
BAR = 0.9
WINDOW_NS = 500_000_000
RAMP_SECONDS = 1.0
BETWEEN_MS = (2.0, 20.0)  # what a task thread does between two images: fetch, decode, persist


@dataclass(frozen=True, kw_only=True)
class Scenario:
    processes: int
    threads: int = 64  # per process
    max_batch: int = 16
    wait_ms: float = 15.0
    budget_ms: float | None = None
    rate: float | None = None  # images/s over all processes; None: closed loop
    a_ms: float = 20.0
    b_ms: float = 2.0
    seconds: float = 5.0
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Figure:
    busy: float  # share of all the time that the device was in use
    windows: int  # busy ones
    fill: float | None  # mean over the batches of the busy windows; None: no such window
    batches: int
    images_per_second: float


def child(scenario: Scenario, number: int, lock: str, start: Barrier, out: Queue[list[tuple[int, int, float]]]) -> None:
    """One process: an engine and its task threads. Puts (end_ns, images, fill) of every batch."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    batches: list[tuple[int, int, float]] = []
    engine = Engine(
        lambda: FakeModel(FakeSpec(a_ms=scenario.a_ms, b_ms=scenario.b_ms, lock_path=lock)),
        EngineLimits(max_batch=scenario.max_batch, wait_ms=scenario.wait_ms, budget_ms=scenario.budget_ms),
        EngineHooks(on_batch=lambda count, _size, _seconds, fill: batches.append((time.monotonic_ns(), count, fill))),
    )
    engine.start()
    engine.wait_ready(60)
    start.wait()
    end = time.monotonic() + RAMP_SECONDS + scenario.seconds
    threads = [
        threading.Thread(target=task_thread, args=(engine, scenario, random.Random(f"{scenario.seed} {number} {i}"), end))
        for i in range(scenario.threads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    out.put(batches)


def task_thread(engine: Engine[object, object], scenario: Scenario, rng: random.Random, end: float) -> None:
    pixels = np.full((8, 8, 3), 90, dtype=np.uint8)
    per_thread = None if scenario.rate is None else scenario.rate / (scenario.processes * scenario.threads)
    due = time.monotonic()
    while True:
        if per_thread is None:
            due = time.monotonic() + rng.uniform(*BETWEEN_MS) / 1000
        else:  # many slow Poisson streams make one fast one
            due += rng.expovariate(per_thread)
        if due >= end:
            return
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            engine.predict(pixels, deadline=end + 5)
        except BatchOverdue:
            return


def measure(scenario: Scenario) -> Figure:
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "device.lock"
        start, out = spawn.Barrier(scenario.processes + 1), spawn.Queue()
        children = [spawn.Process(target=child, args=(scenario, i, str(lock), start, out)) for i in range(scenario.processes)]
        for process in children:
            process.start()
        start.wait(120)
        begin = time.monotonic_ns() + int(RAMP_SECONDS * 1e9)
        batches = [batch for _ in children for batch in out.get(timeout=scenario.seconds + 120)]
        for process in children:
            process.join()
        uses = read_uses(lock)
    end = begin + int(scenario.seconds * 1e9)
    fills: list[float] = []
    windows = 0
    for low in range(begin, end - WINDOW_NS + 1, WINDOW_NS):
        if busy_share(uses, low, low + WINDOW_NS) >= BUSY:
            windows += 1
            fills += [fill for at, _, fill in batches if low <= at < low + WINDOW_NS]
    images = sum(count for at, count, _ in batches if begin <= at < end)
    return Figure(
        busy=round(busy_share(uses, begin, end), 3),
        windows=windows,
        fill=round(mean(fills), 3) if fills else None,
        batches=len(fills),
        images_per_second=round(images / scenario.seconds, 1),
    )


def scenarios(args: argparse.Namespace) -> list[Scenario]:
    base = {"a_ms": args.a, "b_ms": args.b, "seconds": args.seconds, "threads": args.threads, "max_batch": args.max_batch}
    closed = [Scenario(processes=n, **base) for n in (1, 2, 4)]
    closed += [Scenario(processes=n, budget_ms=args.budget_ms, **base) for n in (1, 2)]
    most = 1000 * args.max_batch / (args.a + args.b * args.max_batch)  # images/s of a device that runs full batches only
    shares = (0.6, 0.8, 0.95) if args.open else ()
    return closed + [Scenario(processes=n, rate=share * most, **base) for n in (1, 2) for share in shares]


def main() -> int:
    parser = argparse.ArgumentParser(description="Batch fill while the device is busy (S2).")
    parser.add_argument("--a", type=float, default=20.0, help="milliseconds per batch")
    parser.add_argument("--b", type=float, default=2.0, help="milliseconds per image")
    parser.add_argument("--max-batch", type=int, default=16)
    parser.add_argument("--budget-ms", type=float, default=40.0, help="of the scenarios with a budget of time")
    parser.add_argument("--threads", type=int, default=64, help="task threads per process")
    parser.add_argument("--seconds", type=float, default=5.0, help="per scenario")
    parser.add_argument("--open", action="store_true", help="open-loop scenarios as well (no bar)")
    args = parser.parse_args()
    print(
        f"constants: a {args.a} ms + b {args.b} ms/image; max_batch {args.max_batch}; wait 15 ms; {args.threads} threads per "
        f"process; {BETWEEN_MS[0]}-{BETWEEN_MS[1]} ms between images; windows of {WINDOW_NS // 1_000_000} ms with busy >= {BUSY}"
    )
    print(f"{'loop':>16} {'processes':>9} {'budget':>9} {'images/s':>9} {'busy':>6} {'windows':>8} {'batches':>8} {'fill':>6}")
    rows, worst = [], 1.0
    for scenario in scenarios(args):
        figure = measure(scenario)
        loop = "closed" if scenario.rate is None else f"open {scenario.rate:.0f}/s"
        budget = f"{scenario.max_batch} img" if scenario.budget_ms is None else f"{scenario.budget_ms:.0f} ms"
        fill = "-" if figure.fill is None else f"{figure.fill:.3f}"
        print(
            f"{loop:>16} {scenario.processes:>9} {budget:>9} {figure.images_per_second:>9} {figure.busy:>6} "
            f"{figure.windows:>8} {figure.batches:>8} {fill:>6}",
            flush=True,
        )
        rows.append({**asdict(scenario), **asdict(figure)})
        if scenario.rate is None:
            worst = min(worst, figure.fill if figure.fill is not None else 0.0)
    print(json.dumps({"figure": "S2", "bar": BAR, "worst_fill": worst, "ok": worst >= BAR, "rows": rows}))
    return 0 if worst >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
