"""S1: images per second through the product, over the best that the bare model does with the same encoded bytes.

Ours: broker, SQLite ledger, reconciler and tag workers as the supervisor starts them. A feeder accepts jobs all the time
(a row each, committed, and a hint); workers claim, read the file, decode, batch, judge and persist the words, the vector
and a delivery. Counted are the images persisted from five seconds after the first claim, when all stages are full, to the
end of feeding; work always waits.

Bare: processes that only decode (the same Pillow code, in process: no sockets, no copies), prepare, run and finish in a
plain loop. Each number of processes is tried twice, and the best one is what we compare with.

Then both sides alternate, since the machine's speed changes from minute to minute: each measurement of ours is held against the
mean of the one of theirs before it and the one behind it, and the figure is the median of these ratios.
Run: `python -m bench.throughput --model lite|fake|large` (for large see bench/large.py).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from bench import large
from bench.house import House, photos
from tagger.supervisor.plan import ProcessPlan
from workers.decode import pixels
from workers.inference.registry import loader
from workers.runtime import priority

BAR = 0.9
RAMP_SECONDS = 1.0  # bare
FILL_SECONDS = 5.0  # ours: until the stages hold as many images as they do from then on
TRIES = 2  # of each number of bare processes, in turn
BACKLOG = 400  # jobs that wait, at least
# Longer side of the pictures, seconds per measurement, rounds. A slow model answers few images, eight at a time: a short window
# would be good to a twentieth only.
USUAL_FAKE, USUAL = (320, 8.0, 3), (640, 24.0, 5)
AHEAD = {"lite": 40, "fake": 200, "large": 10}  # pictures per second to come that are written before; more are meanwhile


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is measured."""

    model: str  # "lite" | "fake" | "large"
    a_ms: float
    b_ms: float
    max_batch: int
    side: int  # pixels, longer side
    seconds: float
    processes: int  # tag workers of ours

    def write_models(self, folder: Path) -> Path:
        """The model directory: of the large models, or of a fake whose device all processes share."""
        folder.mkdir(exist_ok=True)
        if self.model == "large":
            return large.write(folder)
        spec = {"a_ms": self.a_ms, "b_ms": self.b_ms, "lock_path": str(folder / "device.lock")}
        (folder / "fake.json").write_text(json.dumps(spec))
        return folder


def bare_child(run: Run, models: str, start: Barrier, out: Queue[int]) -> None:
    """Decode, prepare, run, finish, again and again; puts how many images it did after the ramp."""
    pixels.configure(100_000_000)
    if run.model == "lite":
        priority.use_batch_scheduling()  # as ours does
    model: Any = large.Both(Path(models), start.parties) if run.model == "large" else loader(run.model, Path(models))()
    encoded = cycle(photos(run.side))
    model.run([model.canary()])
    start.wait()
    begin = time.monotonic() + RAMP_SECONDS
    done, end = 0.0, begin + run.seconds
    while (now := time.monotonic()) < end:
        batch = []
        for _ in range(run.max_batch):
            picture = pixels.decode(next(encoded), max_pixels=100_000_000, long_side=1024)
            rgb = np.frombuffer(picture.rgb, np.uint8).reshape(picture.height, picture.width, 3)
            batch.append((rgb, model.prepare(rgb, "")))
        for (rgb, _), raw in zip(batch, model.run([item for _, item in batch]), strict=True):
            model.finish(raw, rgb)
        took = time.monotonic() - now
        inside = min(time.monotonic(), end) - max(now, begin)  # of a batch on an edge of the time, its share counts
        done += run.max_batch * max(0.0, inside) / took
    out.put(round(done))


def bare(run: Run, processes: int) -> float:
    """Images per second of so many processes."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        models = str(run.write_models(Path(folder) / "models"))
        start, out = spawn.Barrier(processes), spawn.Queue()
        children = [spawn.Process(target=bare_child, args=(run, models, start, out)) for _ in range(processes)]
        for child in children:
            child.start()
        done = sum(out.get(timeout=run.seconds + 120) for _ in children)
        for child in children:
            child.join()
    return float(done / run.seconds)


def ours(run: Run) -> dict[str, Any]:
    """Images per second through the whole product, and where the time of an image goes."""
    with tempfile.TemporaryDirectory() as folder:
        models = run.write_models(Path(folder) / "models")
        plan = ProcessPlan(upload=run.processes, backfill=0, api=False, solo_on_demand=False)
        kinds: dict[str, Any] = {"caption": run.model, "embed": run.model}
        if run.model == "large":
            kinds = {**large.CHOSEN, "tag_processes": run.processes}
        with House(plan, **kinds, model_dir=models, max_batch=run.max_batch) as house:
            stop, jpegs = threading.Event(), cycle(photos(run.side))
            house.write_ahead(jpegs, round(AHEAD[run.model] * (FILL_SECONDS + run.seconds)), "upload")
            feeder = threading.Thread(target=house.keep_fed, args=(jpegs, "upload", BACKLOG, stop))
            feeder.start()
            while not (first := house.rows("SELECT min(claimed_ms) FROM jobs")[0][0]):
                stop.wait(0.05)
            begin = first + round(FILL_SECONDS * 1000)
            end = begin + round(run.seconds * 1000)
            stop.wait(max(0.0, begin / 1000 - time.time()))
            before = large.Batches.of(house.home, large.VITAL)
            stop.wait(max(0.0, end / 1000 - time.time()))
            batches = large.Batches.of(house.home, large.VITAL).since(before, run.seconds * run.processes)
            stop.set()
            feeder.join()
            inside = "status IN ('described', 'done') AND updated_ms >= ? AND updated_ms < ?"
            (done,) = house.rows(f"SELECT count(*) FROM jobs WHERE {inside}", begin, end)[0]
            bad = house.rows("SELECT count(*) FROM jobs WHERE status = 'dead' OR attempts > 0")[0][0]
    if run.model == "large":
        print(f"      S2, by the workers' own metrics: {batches}", flush=True)
    return {"rate": done / run.seconds, "failed": bad}


def measure(run: Run, rounds: int, most: int) -> dict[str, Any]:
    tried: dict[int, list[float]] = {n: [] for n in range(1, most + 1)}
    for n in [*tried] * TRIES:
        tried[n].append(bare(run, n))
    best = max(tried, key=lambda n: mean(tried[n]))
    print("bare: " + ", ".join(f"{n} processes {mean(rates):.1f}/s" for n, rates in tried.items()), flush=True)
    print(f"{'round':>5} {'bare':>8} {'ours':>8} {'ratio':>8}", flush=True)
    own: list[float] = []
    theirs = [bare(run, best)]
    ratios: list[float] = []
    for number in range(1, rounds + 1):
        own.append(ours(run)["rate"])
        theirs.append(bare(run, best))
        ratios.append(own[-1] / mean(theirs[-2:]))
        print(f"{number:>5} {theirs[-2]:>8.1f} {own[-1]:>8.1f} {ratios[-1]:>8.3f}", flush=True)
    ratio = median(ratios)
    print(f"ours {median(own):.1f}/s; bare {median(theirs):.1f}/s with {best} processes; ratio {ratio:.3f} (bar {BAR})")
    return {
        "ours": own, "bare": theirs, "bare_tried": tried, "bare_processes": best, "ratios": [round(r, 3) for r in ratios],
        "ratio": round(ratio, 3),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="Throughput of the product over that of the bare model (S1).")
    parser.add_argument("--model", choices=["lite", "fake", "large"], default="lite")
    parser.add_argument("--a", type=float, default=20.0, help="fake: milliseconds per batch")
    parser.add_argument("--b", type=float, default=8.0, help="fake: milliseconds per image")
    parser.add_argument("--max-batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=0, help="longer side of the pictures; 0: 320 for fake, else 640")
    parser.add_argument("--seconds", type=float, default=0.0, help="per measurement; 0: 8 for fake, else 24")
    parser.add_argument("--rounds", type=int, default=0, help="0: 3 for fake, else 5")
    parser.add_argument("--processes", type=int, default=2, help="tag workers")
    parser.add_argument("--most", type=int, default=3, help="bare processes, at most")
    args = parser.parse_args()
    side, seconds, rounds = USUAL_FAKE if args.model == "fake" else USUAL
    args.side, args.seconds, args.rounds = args.side or side, args.seconds or seconds, args.rounds or rounds
    run = Run(
        model=args.model, a_ms=args.a, b_ms=args.b, max_batch=args.max_batch, side=args.side, seconds=args.seconds,
        processes=args.processes,
    )  # fmt: skip
    print(f"constants: {run}; {len(photos(run.side))} photographs as JPEG; backlog {BACKLOG}", end="; ")
    print(f"ramps of {RAMP_SECONDS} s (bare) and {FILL_SECONDS} s (ours)")
    figures = measure(run, args.rounds, args.most)
    ok = figures["ratio"] >= BAR
    print(json.dumps({"figure": "S1", "bar": BAR, "ok": ok, **vars(args), **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
