"""`tagger undo BACKFILL`: puts back what a backfill replaced, where its text still stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import backfill_tables, console
from tagger.cli.acting import audited
from tagger.cli.backfill_watch import told, watched
from tagger.cli.outputs import Force
from tagger.errors import BadRequest
from tagger.services.backfill.plan import plan_undo
from tagger.services.backfill.progress import progress
from tagger.services.backfill.undo import rehearse_undo


def undo(
    backfill_id: Annotated[str, typer.Argument(help="Id of the backfill; `tagger backfill list` shows it.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Put nothing back; show what would be, beside what stands in the CMS now.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(**console.PATH, help="File for the result of the dry run: .csv, .json, .xlsx or .html.")
    ] = None,
    force: Force = False,
    follow: Annotated[bool, typer.Option(help="Show the progress until everything is put back.")] = True,
    json: console.Json = False,
) -> None:
    """Put back what a backfill replaced in the CMS.

    A field that was edited since stays. A field that was never set before is unset again. Tags that the backfill added are taken
    off. It has an id of its own: `tagger backfill status`, `pause`, `resume` and `cancel` take it.

    \b
    Examples:
      tagger undo bkf_01J9Z3… --dry-run
      tagger undo bkf_01J9Z3…
    """
    if out is not None:
        if not dry_run:
            raise BadRequest("--out belongs to a dry run.", "Afterwards, `tagger backfill report ID --out FILE` writes a report.")
        backfill_tables.check_place(out, force)
    with console.ledger() as ledger:
        plan = plan_undo(ledger, backfill_id, window=console.settings().window)
        if dry_run:
            found = list(rehearse_undo(ledger, ledger.backfill(backfill_id)))
            if out is not None:
                place = backfill_tables.write(out, force, found, f"Undo of {backfill_id}", {"undoes": backfill_id})
                console.err.print(f"{len(found)} lines → {place}")
            if json:
                console.print_json({"undoes": backfill_id, "data": [line.row() for line in found]})
                return
            if out is None:
                backfill_tables.show(found)
            back = sum(line.status == "write" for line in found)
            console.out.print(f"{back} fields would be put back, {len(found) - back} would stay. Nothing was changed.")
            return
        with audited(ledger, "backfill.undone", plan.site_id, backfill=backfill_id, undo=plan.id):
            ledger.start_backfill(plan)
        if json:
            console.print_json(progress(ledger.backfill(plan.id), ledger.now_ms()))
            return
        console.out.print(f"{plan.id}: undoes {backfill_id}")
        if follow:
            console.out.print(told(watched(ledger, plan.id), ledger.now_ms()))
