"""Options by which lists are narrowed, and what is refused: what is not there must not look like an empty list."""

from __future__ import annotations

from typing import Annotated

import typer

from tagger.cli import console
from tagger.errors import BadRequest, TaggerError
from tagger.judge.gate import REASONS
from tagger.ledger import Ledger

Cursor = Annotated[str | None, typer.Option(help="Go on behind this id, which the end of the list before named.")]


def check_site(ledger: Ledger, site: str | None) -> None:
    """Errors: NotFound for a site that is not there."""
    if site is not None:
        ledger.get_site(site)


def check_backfill(ledger: Ledger, backfill_id: str | None) -> None:
    """Errors: NotFound for a backfill that is not there."""
    if backfill_id is not None:
        ledger.backfill(backfill_id)


def check_reason(code: str | None) -> None:
    """Errors: BadRequest for what is no error code of tagger."""
    if code is not None and code not in TaggerError.by_code():
        raise BadRequest(f"{code!r} is no error code.", "docs/errors.md lists them; `tagger dead-letters list` shows those met.")


def check_verdict_reason(reason: str | None) -> None:
    """Errors: BadRequest for what is no reason of a verdict."""
    if reason is not None and reason not in REASONS:
        raise BadRequest(f"{reason!r} is no reason of a verdict.", "docs/errors.md lists them under Reasons.")


def say_more(next_cursor: str | None) -> None:
    """Behind a list that was cut off."""
    if next_cursor is not None:
        console.out.print(f"… more: --cursor {next_cursor}")
