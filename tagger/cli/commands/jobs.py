"""`tagger jobs list | show | cancel`."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, Literal

import typer

from tagger import serializers
from tagger.alttext.rules import RULES
from tagger.cli import console, filters
from tagger.errors import BrokerUnavailable, Conflict, NotFound
from tagger.job import JobStatus
from tagger.judge.gate import REASONS
from tagger.queue.hints import Hints
from tagger.services.list_filters import check_verdict_reason

app = typer.Typer(help="List, show and cancel jobs.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="Id of the job, e.g. job_01J9Z3….")]

DROP = ("attempts", "lane", "created_at", "site")  # columns that a narrow list leaves out, in this order

Verdict = Literal["publish", "review", "suppress"]
Status = Literal["accepted", "running", "described", "done", "dead", "superseded", "cancelled"]


@app.command("list")
def list_jobs(
    site: Annotated[str | None, typer.Option(help="Only of this site.")] = None,
    asset: Annotated[str | None, typer.Option(help="Only of this asset, by its id in the CMS.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only jobs in this state.")] = None,
    verdict: Annotated[Verdict | None, typer.Option(help="Only jobs with this verdict. review: a person must decide.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only jobs whose verdict has this reason, e.g. low_score.")] = None,
    backfill: Annotated[str | None, typer.Option(help="Only of this backfill, by its id.")] = None,
    limit: filters.Limit = 50,
    cursor: filters.Cursor = None,
    json: console.Json = False,
) -> None:
    """List jobs, newest first.

    \b
    Examples:
      tagger jobs list --site blog --status dead
      tagger jobs list --site blog --verdict review
    """
    wanted: JobStatus | None = status
    check_verdict_reason(reason)
    with console.ledger() as ledger:
        filters.check_cursor(cursor, "job")
        filters.check_site(ledger, site)
        if backfill is not None:
            ledger.backfill(backfill)
        page = ledger.jobs(
            site_id=site, asset_id=asset, status=wanted, backfill_id=backfill, verdict=verdict, reason=reason, cursor=cursor,
            limit=limit,
        )  # fmt: skip
    rows = [serializers.job(job, None) for job in page.data]
    if json:
        console.print_json({"data": rows, "next_cursor": page.next_cursor})
    else:
        for row in rows:
            row["verdict"] = (row["verdict"] or {}).get("action")
        columns = ["id", "status", "verdict", "lane", "site", "attempts", "created_at", "asset"]
        console.print_table(rows, columns, "No jobs.", drop=DROP)
        filters.say_more(page.next_cursor)


@app.command("show")
def show_job(job_id: JobId, json: console.Json = False) -> None:
    """Show a job: its texts, its delivery and its error.

    Example:  tagger jobs show job_01J9Z3…
    """
    with console.ledger() as ledger:
        try:
            job = ledger.job(job_id)
        except NotFound as err:
            raise NotFound(err.detail, "Find its id with `tagger jobs list --asset ID`.") from None
        body = serializers.job(job, ledger.delivery(job.delivery_id) if job.delivery_id else None)
    if json:
        console.print_json(body)
    else:
        _show(body)


def _show(body: dict[str, Any]) -> None:
    out, body = console.out, console.on_one_line(body)
    out.print(f"{body['id']}  {body['status']}   site {body['site']}, asset {body['asset']['id']}, lane {body['lane']}")
    if body["next_attempt_at"]:
        out.print(f"  attempt {body['attempts'] + 1}, next at {body['next_attempt_at']}")
    for annotation in body["annotations"]:
        value = annotation["value"]
        text = ", ".join(f"{t['label']} {t['score']:.2f}" for t in value) if isinstance(value, list) else repr(value)
        text = "–" if value is None or value == [] else text
        reasons = f" ({', '.join(annotation['verdict']['reasons'])})" if annotation["verdict"]["reasons"] else ""
        outcome = f" → {annotation['outcome']}" if annotation["outcome"] else ""
        out.print(f"  {annotation['field']} {annotation['locale']}: {text}")
        out.print(f"      {annotation['verdict']['action']}{reasons}{outcome}  {annotation['model'] or ''}", style="dim")
        for reason in annotation["verdict"]["reasons"]:
            if meaning := REASONS.get(reason):
                out.print(f"      {reason}: {meaning}", style="dim")
        for rule in RULES:
            if rule.id in annotation["rules"]:
                out.print(f"      rule {rule.id} acted: {rule.why}", style="dim")
    if body["delivery"]:
        out.print(f"  delivery {body['delivery']['id']}: {body['delivery']['status']}, attempts {body['delivery']['attempts']}")
    if error := body["error"]:
        out.print(f"  {error['title']} ({error['code']}, stage {error['stage']})", style="red")
        out.print(f"    {error['detail']}\n    {error['remedy']}")
    if body["timings_ms"]:
        out.print("  " + "  ".join(f"{k} {v} ms" for k, v in body["timings_ms"].items()), style="dim")


@app.command("cancel")
def cancel_job(job_id: JobId) -> None:
    """Cancel a job that has not ended. Nothing of it is written.

    Example:  tagger jobs cancel job_01J9Z3…
    """
    with console.ledger() as ledger:
        status = ledger.cancel(job_id)
    if status != "cancelled":
        raise Conflict(
            f"{job_id} is {status}; it cannot be cancelled any more.",
            "Nothing was changed. A job can be cancelled only before it ends.",
        )
    _tell_of(job_id)
    console.out.print(f"{job_id} is cancelled.")


def _tell_of(job_id: str) -> None:
    """Send a hint for the ended job, so that the worker that gets it informs Flower. Without a broker nothing is sent."""
    hints = Hints(console.settings().broker)
    with contextlib.suppress(BrokerUnavailable):
        hints.send(job_id, "upload")
    hints.close()
