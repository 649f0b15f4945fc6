"""`tagger backfill start`: over a folder, over the library of a site's CMS, or over a table of addresses."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from tagger.backfill import Backfill
from tagger.cli import backfill_tables, console
from tagger.cli.acting import audited
from tagger.cli.backfill_watch import told, watched
from tagger.cli.outputs import Force
from tagger.errors import BadRequest
from tagger.ledger import Ledger
from tagger.services.backfill.cost import Cost, of_rehearsal
from tagger.services.backfill.plan import Wanted, plan_folder, plan_library, plan_table
from tagger.services.backfill.progress import progress, source_of
from tagger.services.backfill.rehearse import rehearse
from tagger.services.backfill.report import lines
from tagger.site import Site
from tagger.tables.text_encoding import decoded


def start(
    site: Annotated[str, typer.Option(help="Site to which the texts are written.")],
    folder: Annotated[
        Path | None, typer.Option(**console.PATH, help="Folder of images, with its subfolders, instead of the CMS's library.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(**console.PATH, help="Table with a column `url`, and perhaps `id`, `revision`, `title`, `caption`, `role`."),
    ] = None,
    encoding: console.Encoding = None,
    only_missing: Annotated[
        bool, typer.Option("--only-missing", help="Only assets where one of the texts was never set.")
    ] = False,
    id: Annotated[list[str] | None, typer.Option(help="Only this asset of the library. Repeat for several.")] = None,
    ids_file: Annotated[
        Path | None, typer.Option(**console.PATH, help="Only the assets that this file names, one id a line.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only assets that were changed then or later, e.g. 2026-11-01T00:00:00Z.")
    ] = None,
    force_own: Annotated[
        bool, typer.Option("--force-own", help="Describe again what was described, and replace the texts that tagger wrote.")
    ] = False,
    field: Annotated[
        list[str] | None, typer.Option(help="alt_text, caption, title or tags. Repeat for several. Default: all but title.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Most images per second. It adapts if the CMS asks for a pause.")] = None,
    window: Annotated[int | None, typer.Option(min=1, help="Most jobs that wait for a worker at one time.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing to the CMS. Show what would be written; a folder is only counted.")
    ] = False,
    sample: Annotated[int | None, typer.Option(min=1, help="Of a dry run: describe only so many assets.")] = None,
    out: Annotated[
        Path | None, typer.Option(**console.PATH, help="File for the result of the dry run: .csv, .json, .xlsx or .html.")
    ] = None,
    force: Force = False,
    follow: Annotated[bool, typer.Option(help="Show the progress until the backfill ends.")] = True,
    json: console.Json = False,
) -> None:
    """Describe every image of a library, of a folder, or of a table.

    The workers do the work. Ctrl-C ends only the progress display. A dry run describes the images, writes nothing, and shows what
    would be written beside what stands there.

    \b
    Examples:
      tagger backfill start --site blog --only-missing --dry-run --sample 20 --out diff.html
      tagger backfill start --site blog --only-missing
      tagger backfill start --site blog --folder ~/Pictures
      tagger backfill start --site blog --csv images.csv --rate 5
    """
    settings = console.settings()
    if out is not None:
        if not dry_run:
            raise BadRequest("--out belongs to a dry run.", "Afterwards, `tagger backfill report ID --out FILE` writes a report.")
        backfill_tables.check_place(out, force)
    wanted = Wanted(
        fields=tuple(field or ("alt_text", "caption", "tags")), only_missing=only_missing, since=since,
        ids=_ids(id, ids_file, encoding), force_own=force_own, dry_run=dry_run, sample=sample, rate=rate,
    )  # fmt: skip
    with console.ledger() as ledger:
        chosen = ledger.get_site(site)
        plan = _planned(ledger, chosen, folder, csv, encoding, wanted, window or settings.window)
        if dry_run and plan.kind == "folder":
            _counted(ledger, plan, site, folder, json)
            return
        with audited(ledger, "backfill.started", site, backfill=plan.id, source=source_of(plan.spec, plan.kind), dry_run=dry_run):
            ledger.start_backfill(plan)
        if dry_run:
            _rehearsed(ledger, plan, out, force, json)
            return
        if json:
            console.print_json(progress(ledger.backfill(plan.id), ledger.now_ms()))
            return
        console.out.print(f"{plan.id}: {plan.spec['total']} images of {source_of(plan.spec, plan.kind)}")
        _say_left_out(plan)
        if follow:
            console.out.print(told(watched(ledger, plan.id), ledger.now_ms()))


def _ids(named: list[str] | None, file: Path | None, encoding: str | None) -> tuple[str, ...] | None:
    if named is None and file is None:
        return None
    try:
        more = [] if file is None else decoded(file.read_bytes(), file.name, BadRequest, encoding).splitlines()
    except OSError as err:
        raise BadRequest(f"{file} cannot be read: {err.strerror}.", "Name a text file with one id a line.") from err
    return tuple(dict.fromkeys(one for one in [*(named or []), *map(str.strip, more)] if one))


def _planned(
    ledger: Ledger, site: Site, folder: Path | None, csv: Path | None, encoding: str | None, wanted: Wanted, window: int
) -> Backfill:
    if folder is not None and csv is not None:
        raise BadRequest("--folder and --csv cannot be given together.", "Start two backfills.")
    if csv is not None:
        return plan_table(site, csv, wanted, window=window, now_ms=ledger.now_ms(), encoding=encoding)
    if folder is None:
        return plan_library(ledger, site, wanted, window=window)
    if wanted != Wanted(dry_run=wanted.dry_run):
        raise BadRequest("A folder has no texts to compare with, so nothing can be chosen in it.", "Leave out these options.")
    return plan_folder(site, folder, window=window, now_ms=ledger.now_ms())


def _rehearsed(ledger: Ledger, plan: Backfill, out: Path | None, force: bool, json: bool) -> None:
    done = watched(ledger, plan.id)
    found = list(lines(ledger, done))
    cost = of_rehearsal(done, (ledger.now_ms() - plan.started_ms) / 1000)
    state = progress(done, ledger.now_ms())
    body = {"backfill": state, "cost": asdict(cost)}
    place = None
    if out is not None:
        title = f"Dry run for {plan.site_id}: {source_of(plan.spec, plan.kind)}"
        place = backfill_tables.write(out, force, found, title, body)
    if json:
        console.print_json({**body, "data": [line.row() for line in found]})
        return
    if place is None:
        backfill_tables.show(found)
    writes = sum(line.status == "write" for line in found)
    console.out.print(f"{len({line.asset for line in found})} assets, {writes} fields would be written.")
    if state["counts"]["skipped"]:
        reasons = ", ".join(f"{number} {reason}" for reason, number in state["counts"]["skipped"].items())
        console.out.print(f"Skipped: {reasons}.")
    console.out.print(_told_cost(cost))
    _say_left_out(plan)
    console.out.print(f"This was a dry run; nothing was written to {plan.site_id}.{f' → {place}' if place else ''}")


def _told_cost(cost: Cost) -> str:
    time = f", {cost.hours:.1f} hours at {cost.rate:.1f} images/s" if cost.hours is not None and cost.rate is not None else ""
    return f"The whole of it: {cost.assets} assets, {cost.images} images to describe, {cost.requests} requests to the CMS{time}."


def _counted(ledger: Ledger, plan: Backfill, site: str, folder: Path | None, json: bool) -> None:
    """Of a folder, a dry run counts the images and those that are known."""
    images = known = 0
    with Progress(console=console.err, transient=True) as bar:
        task = bar.add_task("counting", total=plan.spec["total"])
        for images, known in rehearse(ledger, plan):  # noqa: B007
            bar.update(task, completed=images)
    if json:
        body = {"folder": str(folder), "site": site, "images": images, "known": known}
        console.print_json({**body, "would_describe": images - known, "dry_run": True})
        return
    console.out.print(f"{images - known} of {images} images would be described for {site}.")
    if known:
        console.out.print(f"{known} are already described and would be skipped.")
    _say_left_out(plan)
    console.out.print("This was a dry run; nothing was started.")


def _say_left_out(plan: Backfill) -> None:
    if plan.spec["left_out"]:
        console.out.print(plan.spec["left_out"])
