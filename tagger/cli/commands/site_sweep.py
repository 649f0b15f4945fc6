"""`tagger sites sweep`: looks in a site's library for what no hook told."""

from __future__ import annotations

from typing import Annotated

import typer

from tagger.cli import console, filters
from tagger.cli.acting import audited
from tagger.instants import parse_instant


def sweep(
    site_id: filters.SiteId,
    since: Annotated[
        str | None, typer.Option(help="Look for new images from then on, e.g. 2026-11-01T00:00:00Z. Default: the last sweep.")
    ] = None,
    confirm_deletions: Annotated[
        bool, typer.Option("--confirm-deletions", help="Erase what tagger stores of missing assets, however many they are.")
    ] = False,
    json: console.Json = False,
) -> None:
    """Find new images, versions, edits and deletions that no hook told.

    Each site whose CMS can list its library is swept once a day by itself. The first sweep looks back seven days for new images;
    `tagger backfill start` describes older ones. If many assets are missing in the CMS, nothing is erased without
    --confirm-deletions.

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
    if found.doubted:
        missing = f"{len(found.doubted)} are missing in the CMS ({', '.join(found.doubted[:3])}, …). Nothing was erased."
        console.out.print(f"{missing} If that is right, use --confirm-deletions.", style="yellow")
