"""100,000 images of an archive, and uploads beside them, through the whole product on Redis and PostgreSQL.

    make load                                           # 100,000 jobs with 1, with 2 and with 4 tag workers
    make load ARGS="--jobs 2000 --workers 1"            # the short form: about a minute
    make load ARGS="--json"                             # the figures as JSON on standard output; progress on standard error

The archive is a folder backfill; its tag workers are `--workers`. Uploads come through the API at random times and have a tag
worker of their own; beside it the workers of the archive have a low priority, as always. So on a machine that is busy with other
programs, use `--uploads 0`: the archive would starve. The model is the fake one. A receiver on this machine answers each callback
and counts the writes.
`--out DIR` keeps each run as DIR/WORKERS.json; the table and the plot are made of all runs in DIR, so a long measurement can be
made in pieces. Exit status 1: a job was lost or written twice.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.load import figures, page, plot
from bench.load.product import Model, Product, running
from bench.load.samples import Sample, Sampler
from bench.load.traffic import Uploads, start_backfill, write_archive

STALLED_SECONDS = 300.0  # without one more job that is done


def main() -> int:
    args = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="tagger-archive-") as folder:
        archive = Path(folder) / "archive"
        say(f"writing {args.jobs:,} images")
        write_archive(archive, args.jobs)
        out = args.out or Path(folder) / "out"
        out.mkdir(parents=True, exist_ok=True)
        for workers in args.workers:
            found = measure(archive, workers, args)
            (out / f"{workers}.json").write_text(json.dumps(found), "utf-8")
        runs = page.read(out)
    if args.plot:
        args.plot.write_text(plot.draw(runs), "utf-8")
    if args.json:
        print(json.dumps(runs))
    else:
        print(page.table(runs))
    bad = [run["workers"] for run in runs if run["lost"] or run["written_twice"]]
    say(f"FAILED: jobs were lost or written twice with {bad} workers" if bad else "ok: no job was lost or written twice")
    return 1 if bad else 0


def measure(archive: Path, workers: int, args: argparse.Namespace) -> dict[str, Any]:
    """One run on a new database."""
    say(f"{workers} tag workers for the archive; load of the machine before: {os.getloadavg()[0]:.1f}")
    with running(workers, Model(a_ms=args.a, b_ms=args.b), args.window, uploads=args.uploads > 0) as product:
        before = figures.Written.of(product)
        sampler = Sampler(product, args.every, progress(args.jobs))
        backfill = start_backfill(product, archive, args.window)
        uploads = Uploads(product, args.uploads)
        wait(product, lambda: product.ledger.backfill(backfill).status == "done")
        uploads.end()
        jobs = args.jobs + len(uploads.accepted)
        wait(product, lambda: product.ledger.stats().jobs.get("done", 0) >= jobs)
        sampler.end()
        return {**figures.of_run(product, sampler, uploads, before, workers), "model": {"a_ms": args.a, "b_ms": args.b},
                "uploads_a_second": args.uploads, "window": args.window}  # fmt: skip


def wait(product: Product, reached: Callable[[], bool]) -> None:
    """Until it is reached. It also ends if no job was done for STALLED_SECONDS: then the figures show what is left."""
    pause = threading.Event()
    done, since = -1, time.monotonic()
    while not reached():
        now = product.ledger.stats().jobs.get("done", 0)
        if now != done:
            done, since = now, time.monotonic()
        if time.monotonic() - since > STALLED_SECONDS:
            say(f"no job was done for {STALLED_SECONDS:.0f} s; {done:,} are")
            return
        pause.wait(0.5)


def progress(jobs: int) -> Callable[[Sample], None]:
    last: list[Sample] = []

    def tell(sample: Sample) -> None:
        last.append(sample)
        first = last[max(0, len(last) - 7)]
        speed = (sample.done - first.done) / max(0.001, sample.at_s - first.at_s)
        left = f"about {(jobs - sample.done) / speed / 60:.0f} min left" if speed and sample.done < jobs else ""
        say(
            f"{sample.at_s:6.0f} s {sample.done:>8,} of {jobs:,} {speed:6.1f}/s  ledger {sample.ledger_mib:.0f} MiB  "
            f"broker {sample.broker_mib:.1f} MiB  memory {sum(sample.memory_mib.values()):.0f} MiB  {left}"
        )

    return tell


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="A large archive and uploads through the product on Redis and PostgreSQL.")
    parser.add_argument("--jobs", type=int, default=100_000, help="images of the archive")
    parser.add_argument("--workers", type=numbers, default=[1, 2, 4], help="tag workers of the archive, for example 1,2,4")
    parser.add_argument("--uploads", type=float, default=2.0, help="uploads a second beside the archive; 0: none")
    parser.add_argument("--window", type=int, default=5000, help="most waiting jobs of the backfill")
    parser.add_argument("--a", type=float, default=5.0, help="milliseconds of the fake model per batch")
    parser.add_argument("--b", type=float, default=1.0, help="and per image")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks")
    parser.add_argument("--out", type=Path, help="folder that keeps each run as JSON")
    parser.add_argument("--plot", type=Path, help="where to write the plot (SVG)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def numbers(words: str) -> list[int]:
    found = [int(word) for word in words.split(",")]
    if min(found) < 1:
        raise argparse.ArgumentTypeError("each number of workers is at least 1")
    return found


if __name__ == "__main__":
    sys.exit(main())
