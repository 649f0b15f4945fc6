"""Options that filter lists. An unknown value is refused, because an empty list would be misleading."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from tagger.cli import console
from tagger.errors import BadRequest
from tagger.ledger import Ledger

SiteId = Annotated[str, typer.Argument(help="Id of the site, e.g. blog.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="Most rows to print.")]
Cursor = Annotated[str | None, typer.Option(help="Continue after this id. The last line of a list that was cut off names it.")]


def check_site(ledger: Ledger, site: str | None) -> None:
    """Errors: NotFound if the site does not exist."""
    if site is not None:
        ledger.get_site(site)


def check_backfill(ledger: Ledger, backfill_id: str | None) -> None:
    """Errors: NotFound if the backfill does not exist."""
    if backfill_id is not None:
        ledger.backfill(backfill_id)


def check_cursor(cursor: str | None, kind: str) -> None:
    """Errors: BadRequest for what is no id of that kind: every list would begin or end anywhere."""
    if cursor is not None and not re.fullmatch(kind + r"_[0-9A-Z]{26}", cursor):
        raise BadRequest(f"--cursor {cursor!r} is no id like {kind}_01J9Z3….", "Copy it from the last line of the list before.")


def say_more(next_cursor: str | None) -> None:
    """Print how to continue a list that was cut off."""
    if next_cursor is not None:
        console.out.print(f"There are more: --cursor {next_cursor}")
