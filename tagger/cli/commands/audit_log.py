"""`tagger audit-log list`."""

from __future__ import annotations

from typing import Annotated

import typer

from tagger import serializers
from tagger.cli import console, filters
from tagger.instants import parse_instant

app = typer.Typer(help="Show what operators did, and when.", no_args_is_help=True)


@app.command("list")
def list_entries(
    site: Annotated[str | None, typer.Option("--site", help="Only of this site.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Only since this time, e.g. 2026-11-21T09:30:00Z.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Most entries to list.")] = 100,
    json: console.Json = False,
) -> None:
    """List what operators did, newest first: who, when, what.

    Example:  tagger audit-log list --site blog --json
    """
    with console.ledger() as ledger:
        filters.check_site(ledger, site)
        entries = ledger.audit_entries(site_id=site, since_ms=parse_instant(since), limit=limit)
    rows = [serializers.audit_entry(entry) for entry in entries]
    if json:
        console.print_json({"data": rows, "next_cursor": None})
        return
    for row in rows:
        row["detail"] = ", ".join(f"{name}={value}" for name, value in row["detail"].items())
    console.print_table(rows, ["at", "actor", "action", "site", "detail"], "No entries.", drop=["site"], prose="detail")
