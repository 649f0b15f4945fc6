"""The progress of a backfill on the terminal."""

from __future__ import annotations

import time
from collections import deque

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tagger.backfill import Backfill
from tagger.cli import attention, console
from tagger.ledger import Ledger
from tagger.services.backfill.progress import progress as progress_of

FOLLOW_SECONDS = 0.5
RATE_SECONDS = 60.0  # window of the displayed rate


def watch(ledger: Ledger, backfill_id: str) -> Backfill:
    """Show a progress bar until the backfill no longer runs. First name problems that stop the backfill."""
    workers = attention.no_worker(ledger.stats(), console.settings().home)
    for trouble in (workers, attention.paused(ledger, ledger.backfill(backfill_id).site_id)):
        if trouble is not None:
            console.err.print(f"{trouble.detail}. {trouble.remedy}", style="yellow")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f} images/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console.err) as progress:  # standard output holds only the result
        seen: deque[tuple[int, int]] = deque()  # (when, ended)
        task = progress.add_task("describing", total=None, rate=0.0)
        while True:
            backfill = ledger.backfill(backfill_id)
            state = progress_of(backfill, ledger.now_ms())
            rate = recent_rate(seen, ledger.now_ms(), state["ended"] - state["known"])
            progress.update(task, total=state["total"], completed=state["ended"], rate=rate)
            if backfill.status != "running":
                return backfill
            time.sleep(FOLLOW_SECONDS)


def recent_rate(seen: deque[tuple[int, int]], now_ms: int, worked: int) -> float:
    """Images per second over the last displayed minute, so an earlier pause does not count. Updates `seen`."""
    seen.append((now_ms, worked))
    while now_ms - seen[0][0] > RATE_SECONDS * 1000:
        seen.popleft()
    first_ms, first = seen[0]
    return 1000 * (worked - first) / (now_ms - first_ms) if now_ms > first_ms else 0.0


def watched(ledger: Ledger, backfill_id: str) -> Backfill:
    try:
        return watch(ledger, backfill_id)
    except KeyboardInterrupt:
        console.err.print(f"The backfill continues. `tagger backfill status {backfill_id}` shows its progress.")
        raise


def told(backfill: Backfill, now_ms: int) -> str:
    """The progress in one sentence. If the backfill is paused, also the number of waiting images."""
    body = progress_of(backfill, now_ms)
    rate = f", {body['rate']} images/s" if body["rate"] is not None else ""
    remaining = f", about {body['seconds_left']} s remain" if body["seconds_left"] is not None else ""
    done = f"{body['id']} {body['status']}: {body['ended']} of {body['total']} ended, {body['dead']} failed{rate}{remaining}"
    counts = {**body["counts"], **{f"skipped ({why})": number for why, number in body["counts"].pop("skipped", {}).items()}}
    ends = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    done = f"{done}. {ends}." if ends else done
    if body["pace"]["trouble"]:
        done = f"{done} The library does not answer: {body['pace']['trouble']}"
    if backfill.status != "paused":
        return done
    done = done.removesuffix(".")
    under_way = body["open"] - body["waiting"]
    waiting = body["total"] - body["fed"] + body["waiting"]
    return f"{done}. {under_way} are being described, {waiting} wait for `tagger backfill resume {body['id']}`."
