"""`tagger deliveries list | show | replay`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tagger import serializers
from tagger.cli import console, filters
from tagger.errors import BadRequest, NotFound
from tagger.instants import parse_instant

app = typer.Typer(help="Look at deliveries and their attempts.", no_args_is_help=True)

DROP = ("attempts", "next_attempt_at", "type", "site")  # of a list that is too wide, the first one first

Status = Literal["pending", "sending", "delivered", "parked", "superseded", "dead", "discarded"]


@app.command("list")
def list_deliveries(
    site: Annotated[str | None, typer.Option(help="Only this site's.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only deliveries in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    cursor: filters.Cursor = None,
    json: console.Json = False,
) -> None:
    """Deliveries, newest first.

    Example:  tagger deliveries list --status parked
    """
    with console.ledger(reading=True) as ledger:
        filters.check_site(ledger, site)
        page = ledger.deliveries(site_id=site, status=status, cursor=cursor, limit=limit)
    rows = [serializers.delivery(found) for found in page.data]
    if json:
        console.print_json({"data": rows, "next_cursor": page.next_cursor})
    else:
        columns = ["id", "type", "status", "site", "attempts", "next_attempt_at", "asset"]
        console.print_table(rows, columns, "No deliveries.", drop=DROP)
        filters.say_more(page.next_cursor)


@app.command("show")
def show_delivery(delivery_id: str, json: console.Json = False) -> None:
    """One delivery with all its attempts.

    Example:  tagger deliveries show dlv_01J9Z3…
    """
    with console.ledger(reading=True) as ledger:
        found = ledger.delivery(delivery_id)
        endpoint = ledger.endpoint_of(found.site_id)
        body = {**serializers.delivery(found), "history": [serializers.attempt(a) for a in ledger.attempts(delivery_id)]}
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
    console.print_table(body["history"], columns, "No attempt yet.", drop=["duration_ms"], prose="detail")


@app.command("replay")
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids; none: all parked ones that the options select.")] = None,
    site: Annotated[str | None, typer.Option(help="Only this site's.")] = None,
    since: Annotated[str | None, typer.Option(help="Only those parked since then, e.g. 2026-11-21T09:30:00Z.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those whose last try ended so, e.g. endpoint_gone.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Really all, when no option narrows them.")] = False,
    unconfirmed: Annotated[
        bool, typer.Option("--unconfirmed", help="Not parked ones: those that --site answered without confirming them.")
    ] = False,
    json: console.Json = False,
) -> None:
    """Send parked deliveries now, without waiting for a probe. Their endpoint is enabled, and all that waits for it goes too.

    Example:  tagger deliveries replay --site blog --reason endpoint_gone

    With --unconfirmed, what an endpoint answered with 404 or nonsense is sent again, once the endpoint is right.

    Example:  tagger deliveries replay --site blog --unconfirmed --since 2026-11-21T09:30:00Z
    """
    if unconfirmed:
        _replay_unconfirmed(site, since, json, narrowed=bool(ids or reason or everything))
        return
    if not (ids or site or since or reason or everything):
        raise BadRequest("Say which: ids, --site, --since, --reason, or --all.", "Give one of them.")
    filters.check_reason(reason)
    with console.ledger() as ledger:
        filters.check_site(ledger, site)
        released = ledger.replay_parked(ids or (), site_id=site, since_ms=parse_instant(since), code=reason)
    if ids and not released:
        raise NotFound("None of these is parked.", "List them with `tagger deliveries list --status parked`.")
    if json:
        console.print_json({"data": [{"site": name, "released": count} for name, count in released.items()], "next_cursor": None})
        return
    for name, count in released.items():
        console.out.print(f"{name}: {count} parked deliveries go out.")
    if not released:
        console.out.print("Nothing of that choice is parked.")


def _replay_unconfirmed(site: str | None, since: str | None, json: bool, *, narrowed: bool) -> None:
    if site is None or narrowed:
        raise BadRequest("--unconfirmed goes with --site and --since alone, and needs --site.", "Name the site.")
    with console.ledger() as ledger:
        filters.check_site(ledger, site)
        count = ledger.replay_unconfirmed(site, since_ms=parse_instant(since))
    if json:
        console.print_json({"data": [{"site": site, "released": count}], "next_cursor": None})
        return
    console.out.print(f"{site}: {count} unconfirmed deliveries go out again.")
