"""`tagger describe DIR --out captions.csv`: describes a folder of images and writes a table, without a CMS."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from tagger.cli import console, copies, tables, unfinished, words_table
from tagger.cli.backfill_watch import watch
from tagger.cli.outputs import Force, Output, check_free
from tagger.cli.terminated import cleaning_up
from tagger.cms.folder.survey import Survey, survey
from tagger.cms.folder.walk import readable, walk
from tagger.errors import BadRequest, Conflict
from tagger.job import Job
from tagger.ledger import Ledger, open_ledger
from tagger.services.backfill.plan import plan_folder
from tagger.settings import Settings
from tagger.site import Site
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.stack import Stack
from tagger.system.cpus import processors
from tagger.telemetry import logs

SITE = "folder"


def describe(
    folder: Annotated[Path, typer.Argument(**console.PATH, help="Folder of images, with its subfolders.")],
    out: Annotated[Path, typer.Option(**console.PATH, help="Table to write: .csv, .json or .xlsx.")],
    profile: Annotated[str, typer.Option(help="Kind of business: general, news, ecommerce, …")] = "general",
    locale: Annotated[list[str] | None, typer.Option(help="Language of the texts, e.g. de. Repeat for several.")] = None,
    review: Annotated[bool, typer.Option(help="Also write texts that a person should review first.")] = False,
    embed: Annotated[
        Path | None, typer.Option(**console.PATH, help="Folder for copies of the images, with the texts inside as XMP.")
    ] = None,
    force: Force = False,
) -> None:
    """Describe every image of a folder and write a table.

    It needs no CMS and leaves no process running. After Ctrl-C the table holds the images described so far, and the exit status
    is 130. The same command continues from there. With --embed, your files do not change. A text that a person wrote stays, also
    in a copy from an earlier run. A file that tagger did not write is never replaced. If an image has no copy with its texts, the
    exit status is 1.

    \b
    Examples:
      tagger describe ~/Pictures --out captions.csv
      tagger describe ~/Pictures --out captions.xlsx --locale en --locale de
      tagger describe ~/Pictures --out captions.csv --embed ~/Described
    """
    if embed is not None:
        copies.check_target(folder, embed)
    tables.check_place(out)
    chosen = console.catalog().require(profile).name
    locales = console.locales(locale)
    home = unfinished.home_of(console.settings(), folder, chosen, locales)
    table = Output(place=out, over=force, ours=unfinished.wrote(home, out))
    if table.ours is None:
        check_free(out, force)
    seen = survey(folder)
    if seen.pictures == 0:
        raise BadRequest(f"{folder} holds no images. {seen.sentence()}".rstrip(), "Name a folder that holds images.")
    jobs, interrupted = _described(home, folder, Site(id=SITE, name=str(folder), profile=chosen, locales=locales), seen)
    rows = [words_table.row(job, review) for job in jobs]
    table.write(words_table.content(rows, locales, out.suffix))
    failed_copies: tuple[str, ...] = ()
    if embed is not None:
        made = copies.write(rows, folder, embed, locales[0])
        failed_copies = made.failed
        console.out.print(made.sentence)
    good = sum(1 for r in rows if r["status"] == "done")
    rest = "not done" if interrupted else "failed"
    console.out.print(f"{good} described, {len(rows) - good} {rest} → {table.place}")
    if seen.counts:
        console.out.print(seen.sentence())
    if interrupted:
        unfinished.remember(home, table.place)
        other = f", with --out {table.place}," if table.place != out else ""
        console.out.print(f"Run the same command{other} to continue from here.")
        raise typer.Exit(130)
    if good < len(rows) or failed_copies:
        raise typer.Exit(1)


def _described(home: Path, folder: Path, site: Site, seen: Survey) -> tuple[list[Job], bool]:
    """The newest job of each image, in the order of the names, and whether Ctrl-C ended the run early."""
    jobs: list[Job] | None = None
    try:
        with ephemeral(home) as (settings, ledger):
            ledger.put_site(site)
            try:
                _run(ledger, folder, site, seen, settings.window)
            except KeyboardInterrupt:
                jobs = _newest(ledger, folder)
                raise
            return _newest(ledger, folder), False
    except KeyboardInterrupt:
        if jobs is None:  # before the work began: the table of an earlier run does not change
            raise
        return jobs, True


def _run(ledger: Ledger, folder: Path, site: Site, seen: Survey, window: int) -> None:
    for earlier in ledger.backfills(status="running"):
        console.out.print(f"Continuing the interrupted run of {earlier.spec['total']} images.")
        watch(ledger, earlier.id)
    # After an earlier run, this finds new images and skips known ones.
    plan = plan_folder(site, folder, window=window, now_ms=ledger.now_ms(), deliver=False, seen=seen)
    ledger.start_backfill(plan)
    watch(ledger, plan.id)


def _newest(ledger: Ledger, folder: Path) -> list[Job]:
    present = {picture.relative for picture in walk(readable(folder))}
    newest: dict[str, Job] = {}
    for job in jobs_of(ledger):
        if job.asset_id in present:
            newest.setdefault(job.asset_id, job)
    return [newest[name] for name in sorted(newest)]


@contextlib.contextmanager
def ephemeral(home: Path | None = None, changes: Mapping[str, Any] = MappingProxyType({})) -> Iterator[tuple[Settings, Ledger]]:
    """A stack for this run only. `home`: its folder, which stays after an interruption. None: a temporary folder.

    `changes`: changes of the settings for this run.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(cleaning_up())
        if home is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagger-"))).resolve()
        else:
            folder = stack.enter_context(unfinished.kept(home))
        yield stack.enter_context(_running(folder, changes))


@contextlib.contextmanager
def _running(home: Path, changes: Mapping[str, Any]) -> Iterator[tuple[Settings, Ledger]]:
    own = {"home": home, "ledger_url": "", "broker_url": "", "blob_dir": None, "blob_url": ""}
    chosen = console.settings()
    settings = chosen.model_copy(update={**own, "model_dir": chosen.models, **changes})
    with (home / "supervisor.log").open("a") as log_file:
        logs.configure(settings, "describe", stream=log_file)
        stack = Stack(settings, ProcessPlan(upload=0, backfill=settings.tag_processes or processors(), api=False))
        ledger = open_ledger(settings.ledger)
        try:
            with console.out.status("Starting…"):
                _start(stack)
                stack.wait_ready()
            yield settings, ledger
        finally:
            ledger.close()
            stack.stop()


def _start(stack: Stack) -> None:
    try:
        stack.start()
    except Conflict as err:
        raise Conflict(
            "Another `tagger describe` of this folder with the same options is running.",
            "Wait until it ends, or stop it with Ctrl-C. Then run this command again; it continues from there.",
        ) from err


def jobs_of(ledger: Ledger) -> Iterator[Job]:
    """All jobs of the run, newest first."""
    cursor: str | None = None
    while True:
        page = ledger.jobs(site_id=SITE, cursor=cursor, limit=200)
        yield from page.data
        if page.next_cursor is None:
            return
        cursor = page.next_cursor
