"""`tagger purge` and `tagger backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tagger.blobs import LocalBlobs
from tagger.cli import console
from tagger.errors import BadRequest, NotFound
from tagger.ledger.copies import copy_sqlite

DAY_MS = 86_400_000
SQLITE = "sqlite:///"


def purge(
    site: Annotated[str | None, typer.Option(help="This site's; alone: all of its assets.")] = None,
    asset: Annotated[str | None, typer.Option(help="One asset of the site, by its id in the CMS.")] = None,
    older_than: Annotated[int | None, typer.Option(min=1, help="Jobs that ended and are older than so many days.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many jobs would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: console.Json = False,
) -> None:
    """Erase jobs with their texts, vectors and bytes. Nothing is changed in a CMS.

    Example:  tagger purge --site blog --asset 4711
    """
    if asset is not None and (site is None or older_than is not None):
        raise BadRequest("An asset goes with its site, and alone.", "Use `tagger purge --site SITE --asset ID`.")
    if site is None and older_than is None:
        raise BadRequest("Say what to purge.", "Give --site, --site with --asset, or --older-than DAYS.")
    with console.ledger() as ledger:
        if site is not None:
            ledger.get_site(site)
        before_ms = None if older_than is None else ledger.now_ms() - older_than * DAY_MS
        found = ledger.count_jobs(site_id=site, asset_id=asset, before_ms=before_ms)
        if not dry_run:
            if not yes:
                typer.confirm(f"Erase {found} jobs for ever?", abort=True, err=True)
            if before_ms is not None:
                erased = ledger.expire_jobs(before_ms, site_id=site)
            elif asset is not None and site is not None:
                erased = ledger.erase_asset(site, asset)
            else:
                erased = ledger.erase_site(str(site))
            blobs = LocalBlobs(console.settings().blobs)
            for key in erased.blobs:
                blobs.delete(key)
            found = erased.jobs
    if json:
        console.print_json({"jobs": found, "dry_run": dry_run})
    else:
        console.out.print(f"{'Would erase' if dry_run else 'Erased'} {found} jobs.")


def backup(file: Annotated[Path, typer.Argument(help="New file that takes the copy.")]) -> None:
    """Copy an SQLite ledger while it is in use. It holds secrets: keep the copy as safe as the ledger.

    Example:  tagger backup /backups/ledger.sqlite
    """
    url = console.settings().ledger
    if not url.startswith(SQLITE):
        raise BadRequest("This ledger is not SQLite.", "Use `pg_dump --format=custom`; see docs/operations.md.")
    source = Path(url.removeprefix(SQLITE))
    if not source.is_file():
        raise NotFound(f"There is no ledger at {source}.")
    copy_sqlite(source, file)
    console.out.print(f"Copied the ledger to {file}.")
