"""`tagger backfill start | list | status | pause | resume | cancel`."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tagger import serializers
from tagger.audit_entry import Action
from tagger.backfill import Backfill, BackfillStatus
from tagger.cli import attention, console
from tagger.cli.acting import audited
from tagger.job import ENDED
from tagger.ledger import Ledger
from tagger.services.backfill.rehearse import plan_folder, rehearse

app = typer.Typer(help="Describe the images that a site already has.", no_args_is_help=True)

BackfillId = Annotated[str, typer.Argument(help="Id of the backfill; `tagger backfill list` shows it.")]

FOLLOW_SECONDS = 0.5
RATE_SECONDS = 60.0  # window of the displayed rate


def row(backfill: Backfill, now_ms: int) -> dict[str, Any]:
    """One backfill as a table row and as JSON.

    `waiting`: jobs that no worker claimed yet. `ended`: images that need no more work, with the `known` ones. `rate`: images per
    second that ended since the start, without the known ones, while the backfill runs. So `seconds_left` is rather too high.
    """
    counts = backfill.counts
    worked = sum(counts.get(status, 0) for status in ENDED)
    ended = counts.get("known", 0) + worked
    fed = counts.get("fed", 0)
    seconds = max(0.001, (now_ms - backfill.started_ms) / 1000)
    total = max(int(backfill.spec["total"]), fed)
    rate = worked / seconds if backfill.status == "running" else None
    return {
        "id": backfill.id,
        "site": backfill.site_id,
        "status": backfill.status,
        "folder": backfill.spec["folder"],
        "total": total,
        "fed": fed,
        "open": max(0, fed - ended),
        "waiting": counts.get("accepted", 0),
        "known": counts.get("known", 0),
        "ended": ended,
        "dead": counts.get("dead", 0),
        "rate": None if rate is None else round(rate, 2),
        "seconds_left": round((total - ended) / rate) if rate else None,
        "started_at": serializers.instant(backfill.started_ms),
    }


@app.command("start")
def start(
    folder: Annotated[Path, typer.Option(**console.PATH, help="Folder of images, with its subfolders.")],
    site: Annotated[str, typer.Option(help="Site to which the texts are written.")],
    window: Annotated[int | None, typer.Option(min=1, help="Most jobs that wait for a worker at one time.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Start nothing; count the images, and those already described.")
    ] = False,
    follow: Annotated[bool, typer.Option(help="Show the progress until the backfill ends.")] = True,
    json: console.Json = False,
) -> None:
    """Describe every image of a folder for a site.

    The workers do the work. Ctrl-C ends only the progress display.

    Example:  tagger backfill start --folder ~/Pictures --site blog
    """
    settings = console.settings()
    with console.ledger() as ledger:
        chosen = ledger.get_site(site)
        plan = plan_folder(chosen, folder, window=window or settings.window, now_ms=ledger.now_ms())
        if dry_run:
            images, known = _rehearsed(ledger, plan)
            if json:
                body = {"folder": str(folder), "site": site, "images": images, "known": known}
                console.print_json({**body, "would_describe": images - known, "dry_run": True})
            else:
                console.out.print(f"{images - known} of {images} images would be described for {site}.")
                if known:
                    console.out.print(f"{known} are already described and would be skipped.")
                _say_left_out(plan)
                console.out.print("This was a dry run; nothing was started.")
            return
        with audited(ledger, "backfill.started", site, backfill=plan.id, folder=str(folder)):
            ledger.start_backfill(plan)
        if json:
            console.print_json(row(ledger.backfill(plan.id), ledger.now_ms()))
            return
        console.out.print(f"{plan.id}: {plan.spec['total']} images of {plan.spec['folder']}")
        _say_left_out(plan)
        if follow:
            console.out.print(told(_watched(ledger, plan.id), ledger.now_ms()))


def _say_left_out(plan: Backfill) -> None:
    if plan.spec["left_out"]:
        console.out.print(plan.spec["left_out"])


def _rehearsed(ledger: Ledger, plan: Backfill) -> tuple[int, int]:
    """The number of images of the folder, and of those that are known."""
    counts = (0, 0)
    with Progress(console=console.err, transient=True) as progress:
        task = progress.add_task("counting", total=plan.spec["total"])
        for counts in rehearse(ledger, plan):
            progress.update(task, completed=counts[0])
    return counts


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
            state = row(backfill, ledger.now_ms())
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


def _watched(ledger: Ledger, backfill_id: str) -> Backfill:
    try:
        return watch(ledger, backfill_id)
    except KeyboardInterrupt:
        console.err.print(f"The backfill continues. `tagger backfill status {backfill_id}` shows its progress.")
        raise


@app.command("list")
def list_backfills(json: console.Json = False) -> None:
    """List all backfills, newest first.

    Example:  tagger backfill list --json
    """
    with console.ledger() as ledger:
        rows = [row(backfill, ledger.now_ms()) for backfill in ledger.backfills()]
    if json:
        console.print_json({"data": rows, "next_cursor": None})
    else:
        columns = ["id", "site", "status", "ended", "total", "dead", "rate", "seconds_left"]
        console.print_table(rows, columns, "No backfills.", drop=["rate", "seconds_left", "site"])


@app.command("status")
def status(
    backfill_id: BackfillId,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Show the progress until the backfill ends. With --json: print one object at the end."),
    ] = False,
    json: console.Json = False,
) -> None:
    """Show the progress of a backfill.

    Example:  tagger backfill status bkf_01J9Z3… --follow
    """
    with console.ledger() as ledger:
        backfill = _watched(ledger, backfill_id) if follow else ledger.backfill(backfill_id)
        now_ms = ledger.now_ms()
    if json:
        console.print_json(row(backfill, now_ms))
    else:
        console.out.print(told(backfill, now_ms))


def told(backfill: Backfill, now_ms: int) -> str:
    """The progress in one sentence. If the backfill is paused, also the number of waiting images."""
    body = row(backfill, now_ms)
    rate = f", {body['rate']} images/s" if body["rate"] is not None else ""
    remaining = f", about {body['seconds_left']} s remain" if body["seconds_left"] is not None else ""
    done = f"{body['id']} {body['status']}: {body['ended']} of {body['total']} ended, {body['dead']} failed{rate}{remaining}"
    if backfill.status != "paused":
        return done
    under_way = body["open"] - body["waiting"]
    waiting = body["total"] - body["fed"] + body["waiting"]
    return f"{done}. {under_way} are being described, {waiting} wait for `tagger backfill resume {body['id']}`."


ACTIONS: dict[BackfillStatus, Action] = {
    "paused": "backfill.paused",
    "running": "backfill.resumed",
    "cancelled": "backfill.cancelled",
}


def _set(backfill_id: str, wanted: BackfillStatus, json: bool) -> None:
    with console.ledger() as ledger:
        site = ledger.backfill(backfill_id).site_id
        with audited(ledger, ACTIONS[wanted], site, backfill=backfill_id):
            ledger.set_backfill_status(backfill_id, wanted)
        backfill, now_ms = ledger.backfill(backfill_id), ledger.now_ms()
    if json:
        console.print_json(row(backfill, now_ms))
    else:
        console.out.print(told(backfill, now_ms))


@app.command("pause")
def pause(backfill_id: BackfillId, json: console.Json = False) -> None:
    """Pause a backfill. Images that are being described finish; the others wait.

    Example:  tagger backfill pause bkf_01J9Z3…
    """
    _set(backfill_id, "paused", json)


@app.command("resume")
def resume(backfill_id: BackfillId, json: console.Json = False) -> None:
    """Resume a paused backfill.

    Example:  tagger backfill resume bkf_01J9Z3…
    """
    _set(backfill_id, "running", json)


@app.command("cancel")
def cancel(backfill_id: BackfillId, json: console.Json = False) -> None:
    """Cancel a backfill and its waiting jobs. It cannot be resumed.

    Example:  tagger backfill cancel bkf_01J9Z3…
    """
    _set(backfill_id, "cancelled", json)
