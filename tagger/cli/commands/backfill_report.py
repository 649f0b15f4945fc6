"""`tagger backfill report`: what became of each asset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import backfill_tables, console
from tagger.cli.outputs import Force
from tagger.services.backfill.progress import progress
from tagger.services.backfill.report import lines


def report(
    backfill_id: Annotated[str, typer.Argument(help="Id of the backfill; `tagger backfill list` shows it.")],
    out: Annotated[Path | None, typer.Option(**console.PATH, help="File to write: .csv, .json, .xlsx or .html.")] = None,
    force: Force = False,
    json: console.Json = False,
) -> None:
    """Show what became of each asset of a backfill, field by field.

    Example:  tagger backfill report bkf_01J9Z3… --out report.xlsx
    """
    if out is not None:
        backfill_tables.check_place(out, force)
    with console.ledger() as ledger:
        backfill = ledger.backfill(backfill_id)
        named = ledger.backfill(backfill.undoes) if backfill.undoes else backfill
        found = list(lines(ledger, named))
        body = {"backfill": progress(backfill, ledger.now_ms())}
    if out is not None:
        place = backfill_tables.write(out, force, found, f"Backfill {backfill_id}", body)
        console.err.print(f"{len(found)} lines → {place}")
    if json:
        console.print_json({**body, "data": [line.row() for line in found]})
    elif out is None:
        backfill_tables.show(found)
