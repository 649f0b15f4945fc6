"""`tagger sites sweep`: looks in a site's library for what no hook told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import console, filters
from tagger.cli.acting import audited
from tagger.instants import parse_instant

if TYPE_CHECKING:
    from tagger.services.sweep_progress import Swept

KEPT = {  # why the data of a missing asset is not erased
    "test": "they are test images of `tagger sites check`.",
    "newer_job": "they got a job since the sweep began.",
    "open_job": "they have an open job.",
    "not_of_library": "the CMS never named them in a hook or its library. `tagger purge --site S --asset ID` erases one.",
}


def sweep(
    site_id: filters.SiteId,
    since: Annotated[
        str | None, typer.Option(help="Look for new images from then on, e.g. 2026-11-01T00:00:00Z. Default: the last sweep.")
    ] = None,
    confirm_deletions: Annotated[
        bool, typer.Option("--confirm-deletions", help="Erase what tagger stores of assets that the CMS lacks.")
    ] = False,
    json: console.Json = False,
) -> None:
    """Find new images, versions, edits and deletions that no hook told.

    Each site whose CMS can list its library is swept once a day by itself. The first sweep looks back seven days for new images;
    `tagger backfill start` describes older ones. Nothing is erased without --confirm-deletions. The command counts the assets
    that are missing in the CMS.

    Example:  tagger sites sweep blog
    """
    from tagger.services.sweep import sweep as run  # here: `tagger sites list` imports this module too

    since_ms = parse_instant(since)
    with console.ledger() as ledger:
        site = ledger.get_site(site_id)
        with audited(ledger, "site.swept", site_id, since=since, confirm_deletions=confirm_deletions or None):
            found = run(ledger, site, since_ms=since_ms, confirmed=confirm_deletions)
    if json:
        console.print_json(found.row())
        return
    ends = f"{found.new} new, {found.changed} new versions, {found.edited} edited, {found.deleted} deleted"
    console.out.print(f"{found.looked_at} looked at: {ends}.")
    for line in remarks(site_id, found):
        console.out.print(line, style="yellow")


def remarks(site_id: str, found: Swept) -> Iterator[str]:
    """What a person may have to do after the sweep."""
    if missing := found.row()["missing"]:
        names = ", ".join(found.missing[:3]) + (", …" if len(found.missing) > 3 else "")
        yield f"{missing} are missing in the CMS ({names}). Nothing was erased."
        yield f"If they were deleted there: `tagger sites sweep {site_id} --confirm-deletions`."
    for reason, number in found.kept.items():
        yield f"{number} more are missing and stay: {KEPT[reason]}"
    if found.too_many_new:
        yield f"too_many_new: there are more new images than the {found.new} that were taken. A backfill describes the rest:"
        yield f"`tagger backfill start --site {site_id} --since {found.since}`."
