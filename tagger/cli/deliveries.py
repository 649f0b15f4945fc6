"""`tagger deliveries list | show`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tagger.api import render
from tagger.cli import console

app = typer.Typer(help="Look at deliveries and their attempts.", no_args_is_help=True)

Status = Literal["pending", "sending", "delivered", "parked", "superseded", "dead", "discarded"]


@app.command("list")
def list_deliveries(
    site: Annotated[str | None, typer.Option(help="Only this site's.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only deliveries in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    json: console.Json = False,
) -> None:
    """Deliveries, newest first.

    Example:  tagger deliveries list --status parked
    """
    with console.ledger() as ledger:
        page = ledger.deliveries(site_id=site, status=status, limit=limit)
    rows = [render.delivery(found) for found in page.data]
    if json:
        console.print_json({"data": rows, "next_cursor": page.next_cursor})
    else:
        console.print_table(rows, ["id", "status", "site", "asset", "attempts", "next_attempt_at"], "No deliveries.")


@app.command("show")
def show_delivery(delivery_id: str, json: console.Json = False) -> None:
    """One delivery with all its attempts.

    Example:  tagger deliveries show dlv_01J9Z3…
    """
    with console.ledger() as ledger:
        body = {
            **render.delivery(ledger.delivery(delivery_id)),
            "history": [render.attempt(a) for a in ledger.attempts(delivery_id)],
        }
    if json:
        console.print_json(body)
        return
    console.out.print(f"{body['id']}  {body['status']}   job {body['job']}, sequence {body['sequence']}")
    for outcome in body["outcomes"]:
        place = f"{outcome['field']} {outcome['locale'] or ''}".strip()
        console.out.print(f"  {place}: {outcome['outcome']} {outcome['reason'] or ''}")
    console.print_table(body["history"], ["number", "at", "result", "status", "duration_ms"], "No attempt yet.")
