"""`tagger dead-letters list | show | replay | discard`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from tagger import serializers
from tagger.audit_entry import Action, of_many
from tagger.cli import console, filters
from tagger.cli.acting import audited
from tagger.delivery import DeadLetter
from tagger.errors import BadRequest, NotFound
from tagger.instants import parse_instant
from tagger.ledger import Ledger
from tagger.services import dead_letters
from tagger.services.dead_letters import LetterFilter, refusals, selected
from tagger.services.list_filters import check_error_code

app = typer.Typer(help="List, replay and discard failed jobs and deliveries.", no_args_is_help=True)

SiteOption = Annotated[str | None, typer.Option("--site", help="Only of this site.")]
Since = Annotated[str | None, typer.Option("--since", help="Only those that failed since this time, e.g. 2026-11-21T09:30:00Z.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only those with this error code, e.g. image_unreadable.")]
OfBackfill = Annotated[str | None, typer.Option("--backfill", help="Only for images of this backfill, by its id.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of dead letters. Without ids: all that the options select.")]
All = Annotated[bool, typer.Option("--all", help="Select all. Required if nothing else selects.")]


@dataclass(frozen=True)
class Filter:
    site: str | None = None
    since: str | None = None
    reason: str | None = None
    backfill: str | None = None


def _select(ledger: Ledger, by: Filter) -> list[DeadLetter]:
    check_error_code(by.reason)
    filters.check_site(ledger, by.site)
    filters.check_backfill(ledger, by.backfill)
    chosen = LetterFilter(site_id=by.site, since_ms=parse_instant(by.since), code=by.reason, backfill_id=by.backfill)
    return dead_letters.selected(ledger, chosen)


@app.command("list")
def list_letters(
    site: SiteOption = None,
    since: Since = None,
    reason: Reason = None,
    backfill: OfBackfill = None,
    json: console.Json = False,
) -> None:
    """List dead letters, newest first.

    Example:  tagger dead-letters list --reason image_unreadable
    """
    with console.ledger() as ledger:
        rows = [serializers.dead_letter(letter) for letter in _select(ledger, Filter(site, since, reason, backfill))]
    if json:
        console.print_json({"data": rows, "next_cursor": None})
        return
    for row in rows:
        row["code"] = row["error"]["code"]
        row["detail"] = row["error"]["detail"]
    columns = ["id", "kind", "code", "site", "at", "asset", "detail"]
    console.print_table(rows, columns, "No dead letters.", drop=["kind", "at", "site"], prose="detail")


@app.command("show")
def show_letter(
    letter_id: Annotated[str, typer.Argument(help="Id of the dead letter, e.g. job_01J9Z3….")], _json: console.AlwaysJson = True
) -> None:
    """Print a dead letter with its cause, as JSON.

    Example:  tagger dead-letters show job_01J9Z3…
    """
    with console.ledger() as ledger:
        letters = ledger.dead_letters(ids=[letter_id]).data
    if not letters:
        raise NotFound(f"No dead letter {letter_id}.", "List them with `tagger dead-letters list`.")
    console.print_json(serializers.dead_letter(letters[0]))


def _ids(ledger: Ledger, ids: list[str] | None, by: Filter, everything: bool) -> list[str]:
    if ids:
        return ids
    if by == Filter() and not everything:
        raise BadRequest("Nothing selects dead letters.", "Give ids, --site, --since, --reason, --backfill or --all.")
    return [letter.id for letter in _select(ledger, by)]


def _act(verb: str, act: Callable[[Ledger, list[str]], int], ids: list[str] | None, by: Filter, everything: bool) -> None:
    """Exit status 1 if ids are given and one of them was not acted on; each is named. Errors: NotFound if none was."""
    with console.ledger() as ledger:
        chosen = list(dict.fromkeys(_ids(ledger, ids, by, everything)))
        before = {letter.id for letter in selected(ledger, LetterFilter(ids=ids))} if ids else set()
        action: Action = "dead_letter.replayed" if act is Ledger.replay else "dead_letter.discarded"
        with audited(ledger, action, by.site, since=by.since, reason=by.reason, backfill=by.backfill, **of_many(chosen)):
            done = act(ledger, chosen)
        # a discarded letter has gone, as was asked
        named = [one for one in chosen if act is Ledger.replay or one not in before] if ids else []
        refused = refusals(ledger, named, before)
    if ids and done == 0:
        told = " ".join(f"{one}: {why}." for one, why in refused.items())
        raise NotFound(f"Nothing was {verb.lower()}. {told}", "List the open ones with `tagger dead-letters list`.")
    console.out.print(f"{verb} {done} of {len(chosen)}." if chosen else "The options select no dead letter. Nothing was changed.")
    for one, why in refused.items():
        console.err.print(f"not {verb.lower()}: {one}: {why}", markup=False)
    if refused:
        raise typer.Exit(1)


@app.command("replay")
def replay(
    ids: Ids = None,
    site: SiteOption = None,
    since: Since = None,
    reason: Reason = None,
    backfill: OfBackfill = None,
    everything: All = False,
) -> None:
    """Try dead letters again, with all their attempts.

    Example:  tagger dead-letters replay --site blog --since 2026-11-21T00:00:00Z
    """
    _act("Replayed", Ledger.replay, ids, Filter(site, since, reason, backfill), everything)


@app.command("discard")
def discard(
    ids: Ids = None,
    site: SiteOption = None,
    since: Since = None,
    reason: Reason = None,
    backfill: OfBackfill = None,
    everything: All = False,
) -> None:
    """Discard dead letters. Their texts are never written.

    Example:  tagger dead-letters discard dlv_01J9Z3…
    """
    _act("Discarded", Ledger.discard, ids, Filter(site, since, reason, backfill), everything)
