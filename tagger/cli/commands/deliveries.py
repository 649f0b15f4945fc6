"""`tagger deliveries list | show | replay`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tagger import serializers
from tagger.audit_entry import of_many
from tagger.cli import console, filters
from tagger.cli.acting import audited
from tagger.errors import BadRequest, NotFound
from tagger.instants import parse_instant
from tagger.services.list_filters import check_error_code
from tagger.services.parked import not_parked

app = typer.Typer(help="List, show and replay deliveries.", no_args_is_help=True)

DROP = ("attempts", "next_attempt_at", "type", "site")  # columns that a narrow list leaves out, in this order

Status = Literal["pending", "sending", "delivered", "parked", "superseded", "dead", "discarded"]


@app.command("list")
def list_deliveries(
    site: Annotated[str | None, typer.Option(help="Only of this site.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only deliveries in this state.")] = None,
    limit: filters.Limit = 50,
    cursor: filters.Cursor = None,
    json: console.Json = False,
) -> None:
    """List deliveries, newest first.

    Example:  tagger deliveries list --status parked
    """
    with console.ledger() as ledger:
        filters.check_cursor(cursor, "dlv")
        filters.check_site(ledger, site)
        page = ledger.deliveries(site_id=site, status=status, cursor=cursor, limit=limit)
    rows = [serializers.delivery(delivery) for delivery in page.data]
    if json:
        console.print_json({"data": rows, "next_cursor": page.next_cursor})
    else:
        columns = ["id", "type", "status", "site", "attempts", "next_attempt_at", "asset"]
        console.print_table(rows, columns, "No deliveries.", drop=DROP)
        filters.say_more(page.next_cursor)


@app.command("show")
def show_delivery(
    delivery_id: Annotated[str, typer.Argument(help="Id of the delivery, e.g. dlv_01J9Z3….")], json: console.Json = False
) -> None:
    """Show a delivery with all its attempts.

    Example:  tagger deliveries show dlv_01J9Z3…
    """
    with console.ledger() as ledger:
        delivery = ledger.delivery(delivery_id)
        endpoint = ledger.endpoint_of(delivery.site_id)
        body = {**serializers.delivery(delivery), "history": [serializers.attempt(a) for a in ledger.attempts(delivery_id)]}
    if json:
        console.print_json(body)
        return
    body = console.on_one_line(body)
    console.out.print(f"{body['id']}  {body['type']}  {body['status']}   site {body['site']}, asset {body['asset']['id']}")
    console.out.print(f"  job {body['job']}, sequence {body['sequence']}")
    console.out.print(
        f"  to {endpoint.url if endpoint else 'no endpoint'}{'' if not endpoint or endpoint.enabled else ' (disabled)'}"
    )
    if body["next_attempt_at"]:
        console.out.print(f"  attempt {body['attempts'] + 1} at {body['next_attempt_at']}")
    for outcome in body["outcomes"]:
        place = f"{outcome['field']} {outcome['locale'] or ''}".strip()
        console.out.print(f"  {place}: {outcome['outcome']} {outcome['reason'] or ''}")
    for tried in body["history"]:
        cause = tried["error"] or {}
        tried |= {"code": cause.get("code"), "detail": cause.get("detail")}
    columns = ["number", "at", "result", "status", "duration_ms", "code", "detail"]
    console.print_table(body["history"], columns, "No attempt was made yet.", drop=["duration_ms"], prose="detail")


@app.command("replay")
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of deliveries. Without ids: all parked ones that the options select.")
    ] = None,
    site: Annotated[str | None, typer.Option(help="Only of this site.")] = None,
    since: Annotated[str | None, typer.Option(help="Only those parked since this time, e.g. 2026-11-21T09:30:00Z.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only those whose last attempt failed with this error code, e.g. endpoint_gone.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Select all. Required if nothing else selects.")] = False,
    unconfirmed: Annotated[
        bool,
        typer.Option(
            "--unconfirmed", help="Select the deliveries that --site answered but did not confirm, instead of parked ones."
        ),
    ] = False,
    json: console.Json = False,
) -> None:
    """Send parked deliveries now, without waiting for a probe.

    Their endpoint is enabled, and every delivery that waits for it is sent too.

    With --unconfirmed, deliveries that the endpoint answered with 404 or without a valid body are sent again. Repair the endpoint
    first.

    \b
    Examples:
      tagger deliveries replay --site blog --reason endpoint_gone
      tagger deliveries replay --site blog --unconfirmed --since 2026-11-21T09:30:00Z
    """
    if unconfirmed:
        _replay_unconfirmed(site, since, json, narrowed=bool(ids or reason or everything))
        return
    if not (ids or site or since or reason or everything):
        raise BadRequest("Nothing selects deliveries.", "Give ids, --site, --since, --reason or --all.")
    check_error_code(reason)
    with console.ledger() as ledger:
        filters.check_site(ledger, site)
        refused = {one: why for one in dict.fromkeys(ids or ()) if (why := not_parked(ledger, one, None))}
        with audited(ledger, "delivery.replayed", site, since=since, reason=reason, **of_many(ids or [])):
            released = ledger.replay_parked(ids or (), site_id=site, since_ms=parse_instant(since), code=reason)
    if ids and not released:
        told = " ".join(f"{one}: {why}." for one, why in refused.items())
        raise NotFound(f"None of these deliveries is parked. {told}", "List them with `tagger deliveries list --status parked`.")
    for one, why in refused.items():
        console.err.print(f"not sent: {one}: {why}", markup=False)
    _print_released(released, json)
    if refused:
        raise typer.Exit(1)


def _print_released(released: dict[str, int], json: bool) -> None:
    if json:
        console.print_json({"data": [{"site": name, "released": count} for name, count in released.items()], "next_cursor": None})
        return
    for name, count in released.items():
        console.out.print(f"{name}: {count} parked deliveries are sent now.")
    if not released:
        console.out.print("The options select no parked delivery. Nothing was changed.")


def _replay_unconfirmed(site: str | None, since: str | None, json: bool, *, narrowed: bool) -> None:
    if site is None or narrowed:
        raise BadRequest(
            "--unconfirmed needs --site, and allows only --since beside it.", "Give --site, and omit ids, --reason and --all."
        )
    with console.ledger() as ledger:
        filters.check_site(ledger, site)
        with audited(ledger, "delivery.replayed", site, unconfirmed=True, since=since):
            count = ledger.replay_unconfirmed(site, since_ms=parse_instant(since))
    if json:
        console.print_json({"data": [{"site": site, "released": count}], "next_cursor": None})
        return
    console.out.print(f"{site}: {count} unconfirmed deliveries are sent again.")
