"""S3: how long an upload waits while a backfill runs, over how long it waits alone.

Uploads come at random, at a fixed mean rate, through `POST /v1/describe` as multipart: the time is that of the whole call,
words in hand. Phases alternate: alone, beside a backfill, alone … on the same running stack. The backfill lane is kept fed
with jobs all the time, and its workers run at nice 19, as always. The figure is the p95 over all uploads beside a backfill,
over the p95 of all uploads alone; both also per phase, since the machine may be noisy.
Run: `python -m bench.latency`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count, cycle
from statistics import median

import requests

from bench.house import SITE, House, distinct, percentile, photos
from tagger.supervisor.plan import ProcessPlan

BAR = 1.3
BACKLOG = 100  # jobs of the backfill that wait, at least
PAGE = 10  # accepted at once: the generator shares the cores and the ledger with the uploads
SIDE = 640
STEP_SECONDS = 60.0  # longest wait for anything; with the uploads' own time-out nothing here can hang


class Uploads:
    """Uploads at random times; the times of their answers in milliseconds."""

    def __init__(self, house: House, rate: float, seed: int) -> None:
        self._url = f"{house.stack.api_url}/v1/describe?site={SITE}"
        self._rate = rate
        self._rng = random.Random(seed)
        self._photos = cycle(photos(SIDE))
        self._numbers = count(1_000_000)

    def during(self, seconds: float) -> list[float]:
        pause = threading.Event()
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(32) as pool:
            calls = []
            due = time.monotonic()
            while (due := due + self._rng.expovariate(self._rate)) < end:
                pause.wait(max(0.0, due - time.monotonic()))
                number = next(self._numbers)
                calls.append(pool.submit(self._one, distinct(next(self._photos), number), number))
            return [call.result() for call in calls]

    def _one(self, jpeg: bytes, number: int) -> float:
        job = json.dumps({"asset": {"id": f"upload-{number}"}})
        headers = {"Authorization": "Bearer bench-admin"}
        began = time.monotonic()
        reply = requests.post(self._url, files={"image": jpeg}, data={"job": job}, headers=headers, timeout=60)
        took = time.monotonic() - began
        if reply.status_code != 200:
            raise RuntimeError(f"{reply.status_code}: {reply.text[:300]}")
        return took * 1000


def until(what: str, seen: Callable[[], bool]) -> None:
    """Errors: TimeoutError that says what did not come."""
    pause, end = threading.Event(), time.monotonic() + STEP_SECONDS
    while not seen():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {STEP_SECONDS:.0f} s.")
        pause.wait(0.2)


def until_idle(house: House) -> None:
    def idle() -> bool:
        lane = house.ledger.lane_counts()["backfill"]
        return not lane.claimable + lane.running

    until("The end of the backfill's jobs", idle)


def with_backfill(house: House, uploads: Uploads, seconds: float) -> tuple[list[float], float]:
    """The uploads' times, and the images per second of the backfill."""
    stop = threading.Event()
    feeder = threading.Thread(target=house.keep_fed, args=(cycle(photos(SIDE)), "backfill", BACKLOG, stop, PAGE))
    feeder.start()
    try:
        return _beside(house, uploads, seconds)
    finally:
        stop.set()
        feeder.join()


def _beside(house: House, uploads: Uploads, seconds: float) -> tuple[list[float], float]:
    until("The first image of the backfill", lambda: house.ledger.lane_counts()["backfill"].running > 0)
    done = "SELECT count(*) FROM jobs WHERE lane = 'backfill' AND status IN ('described', 'done')"
    before = house.rows(done)[0][0]
    times = uploads.during(seconds)
    return times, (house.rows(done)[0][0] - before) / seconds


def main() -> int:
    parser = argparse.ArgumentParser(description="Latency of uploads beside a backfill over latency alone (S3).")
    parser.add_argument("--rate", type=float, default=2.0, help="uploads per second, mean")
    parser.add_argument("--seconds", type=float, default=20.0, help="per phase")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of phases")
    parser.add_argument("--processes", type=int, default=2, help="tag workers per lane")
    parser.add_argument("--model", choices=["lite"], default="lite")
    args = parser.parse_args()
    print(f"constants: {vars(args)}; pictures of {SIDE} px; backlog {BACKLOG}; backfill at nice 19; Poisson arrivals")
    print(f"{'round':>5} {'':>9} {'uploads':>8} {'p50 ms':>8} {'p95 ms':>8} {'backfill/s':>11}")
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    plan = ProcessPlan(upload=args.processes, backfill=args.processes, solo_on_demand=False)
    with House(plan, caption=args.model, embed=args.model) as house:
        uploads = Uploads(house, args.rate, seed=1)
        uploads.during(8.0)  # warm: the vocabulary's words are read once per process
        house.accept(cycle(photos(SIDE)), 20, "backfill")
        until_idle(house)
        for number in range(1, args.rounds + 1):
            alone.append(uploads.during(args.seconds))
            _show(number, "alone", alone[-1], None)
            times, rate = with_backfill(house, uploads, args.seconds)
            until_idle(house)
            beside.append(times)
            _show(number, "beside", times, rate)
    apart, together = (_figures(list(chain(*phases))) for phases in (alone, beside))
    ratio = together["p95_ms"] / apart["p95_ms"]
    per_round = [percentile(b, 95) / percentile(a, 95) for a, b in zip(alone, beside, strict=True)]
    print(f"p95 alone {apart['p95_ms']:.0f} ms, beside a backfill {together['p95_ms']:.0f} ms; ratio {ratio:.2f} (bar {BAR})")
    print(json.dumps({
        "figure": "S3", "bar": BAR, "ok": ratio <= BAR, "ratio": round(ratio, 3), "median_of_rounds": round(median(per_round), 3),
        "alone": apart, "beside": together, **vars(args),
    }))  # fmt: skip
    return 0 if ratio <= BAR else 1


def _figures(times: list[float]) -> dict[str, float]:
    return {"uploads": len(times), "p50_ms": round(percentile(times, 50), 1), "p95_ms": round(percentile(times, 95), 1)}


def _show(number: int, phase: str, times: list[float], rate: float | None) -> None:
    speed = "-" if rate is None else f"{rate:.1f}"
    figures = _figures(times)
    print(f"{number:>5} {phase:>9} {len(times):>8} {figures['p50_ms']:>8.0f} {figures['p95_ms']:>8.0f} {speed:>11}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
