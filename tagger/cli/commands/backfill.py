"""`tagger backfill start | list | status | report | pause | resume | cancel`."""

from __future__ import annotations

from typing import Annotated

import typer

from tagger.audit_entry import Action
from tagger.backfill import BackfillStatus
from tagger.cli import console
from tagger.cli.acting import audited
from tagger.cli.backfill_watch import told, watched
from tagger.cli.commands import backfill_report, backfill_start
from tagger.services.backfill.progress import progress

app = typer.Typer(help="Describe the images that a site already has.", no_args_is_help=True)

BackfillId = Annotated[str, typer.Argument(help="Id of the backfill; `tagger backfill list` shows it.")]

app.command("start")(backfill_start.start)


@app.command("list")
def list_backfills(json: console.Json = False) -> None:
    """List all backfills, newest first.

    Example:  tagger backfill list --json
    """
    with console.ledger() as ledger:
        rows = [progress(backfill, ledger.now_ms()) for backfill in ledger.backfills()]
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
        backfill = watched(ledger, backfill_id) if follow else ledger.backfill(backfill_id)
        now_ms = ledger.now_ms()
    if json:
        console.print_json(progress(backfill, now_ms))
    else:
        console.out.print(told(backfill, now_ms))


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
        console.print_json(progress(backfill, now_ms))
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


app.command("report")(backfill_report.report)
