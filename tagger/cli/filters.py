"""Options that filter lists. An unknown value is refused, because an empty list would be misleading."""

from __future__ import annotations

from typing import Annotated

import typer

from tagger.cli import console
from tagger.errors import BadRequest, TaggerError
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


def check_reason(code: str | None) -> None:
    """Errors: BadRequest if it is not an error code of tagger."""
    if code is not None and code not in TaggerError.by_code():
        raise BadRequest(
            f"{code!r} is not an error code.",
            "docs/errors.md lists all codes; `tagger dead-letters list` shows those of your dead letters.",
        )


def check_verdict_reason(reason: str | None) -> None:
    """Errors: BadRequest if it is not a reason of a verdict."""
    if reason is None:
        return
    from tagger.judge.gate import REASONS  # with all text rules, which no other list needs

    if reason not in REASONS:
        raise BadRequest(f"{reason!r} is not a reason of a verdict.", "docs/errors.md lists them under Reasons.")


def say_more(next_cursor: str | None) -> None:
    """Print how to continue a list that was cut off."""
    if next_cursor is not None:
        console.out.print(f"There are more: --cursor {next_cursor}")
