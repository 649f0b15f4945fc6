"""`tagger purge` and `tagger backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress

from tagger.blobs import open_blobs
from tagger.cli import console
from tagger.cli.acting import audited
from tagger.errors import BadRequest, NotFound
from tagger.ledger import Erased, Ledger, file_of
from tagger.ledger.db.copies import copy_sqlite

DAY_MS = 86_400_000


def purge(
    site: Annotated[str | None, typer.Option(help="Jobs of this site. Without --asset: of all its assets.")] = None,
    asset: Annotated[str | None, typer.Option(help="Jobs of one asset of the site, by its id in the CMS.")] = None,
    older_than: Annotated[int | None, typer.Option(min=1, help="Ended jobs that are older than this many days.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Erase nothing; print how many jobs would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking.")] = False,
    json: console.Json = False,
) -> None:
    """Erase jobs with their texts, vectors and bytes.

    Nothing changes in the CMS.

    Example:  tagger purge --site blog --asset 4711
    """
    if asset is not None and (site is None or older_than is not None):
        raise BadRequest("--asset needs --site, and excludes --older-than.", "Use `tagger purge --site SITE --asset ID`.")
    if site is None and older_than is None:
        raise BadRequest("Nothing selects jobs to purge.", "Give --site, --site with --asset, or --older-than DAYS.")
    with console.ledger() as ledger:
        if site is not None:
            ledger.get_site(site)
        before_ms = None if older_than is None else ledger.now_ms() - older_than * DAY_MS
        number = ledger.count_jobs(site_id=site, asset_id=asset, before_ms=before_ms)
        if not dry_run:
            if not yes:
                typer.confirm(f"Erase {number} jobs? This cannot be undone.", abort=True, err=True)
            with audited(ledger, "jobs.purged", site, asset=asset, older_than_days=older_than, jobs=number):
                number = _erase(ledger, site, asset, before_ms, number)
    if json:
        console.print_json({"jobs": number, "dry_run": dry_run})
    else:
        console.out.print(f"{'Would erase' if dry_run else 'Erased'} {number} jobs.")


def _erase(ledger: Ledger, site: str | None, asset: str | None, before_ms: int | None, expected: int) -> int:
    """Erase jobs with their bytes, batch by batch, with a progress bar. Returns how many were erased."""
    blobs = open_blobs(console.settings())
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console.err, transient=True) as bar:
        task = bar.add_task("Erasing", total=expected)

        def gone(batch: Erased) -> None:
            for key in batch.blobs:
                blobs.delete(key)
            bar.advance(task, batch.jobs)

        if before_ms is not None:
            return ledger.expire_jobs(before_ms, site_id=site, on_batch=gone).jobs
        if asset is None:
            return ledger.erase_site(str(site), gone).jobs
        erased = ledger.erase_asset(str(site), asset)
        gone(erased)
        return erased.jobs


def backup(file: Annotated[Path, typer.Argument(**console.PATH, help="File to create.")]) -> None:
    """Copy an SQLite ledger while it is in use.

    The copy holds the secrets of the sites. Protect it like the ledger.

    Example:  tagger backup /backups/ledger.sqlite
    """
    source = file_of(console.settings().ledger)
    if source is None:
        raise BadRequest("This ledger is not SQLite.", "Use `pg_dump --format=custom`; see docs/operations.md.")
    if not source.is_file():
        raise NotFound(f"There is no ledger at {source}.", "Check --home; `tagger up` creates the ledger.")
    copy_sqlite(source, file)
    console.out.print(f"Copied the ledger to {file}.")
