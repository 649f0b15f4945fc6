"""`tagger describe DIR --out captions.csv`: a folder of pictures in, a table of words out; for people without a CMS."""

from __future__ import annotations

import contextlib
import csv
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from tagger import telemetry
from tagger.backfill import count, plan_folder
from tagger.cli import console, copies
from tagger.cli.backfill import watch
from tagger.cli.outputs import Force, check_free
from tagger.errors import BadRequest
from tagger.job import Job
from tagger.ledger import Ledger, open_ledger
from tagger.processors import processors
from tagger.settings import Settings
from tagger.shape import Shape
from tagger.site import Site
from tagger.stack import Stack

COLUMNS = ("file", "status", "caption", "alt_text", "tags", "verdict", "reasons", "error")
SUFFIXES = (".csv", ".json", ".xlsx")


def describe(
    folder: Annotated[Path, typer.Argument(help="Folder of images, walked with its subfolders.")],
    out: Annotated[Path, typer.Option(help="File to write: .csv, .json or .xlsx.")],
    profile: Annotated[str, typer.Option(help="Kind of business: general, news, ecommerce, …")] = "general",
    locale: Annotated[list[str] | None, typer.Option(help="Language of the words; repeat for several.")] = None,
    review: Annotated[bool, typer.Option(help="Also write texts that a person should look at first.")] = False,
    embed: Annotated[
        Path | None, typer.Option(help="Folder for copies of the pictures with the words inside, as XMP. Yours stay as they are.")
    ] = None,
    force: Force = False,
) -> None:
    """Describe every picture of a folder and write the words into a table. Needs no CMS and leaves nothing running.

    Ctrl-C writes the table of what is done until then; the exit status is 130. With --embed, a text that somebody wrote stays, in
    your picture and in a copy of an earlier run; a file that tagger did not write is never replaced.

    \b
    Examples:
      tagger describe ~/Pictures --out captions.csv
      tagger describe ~/Pictures --out captions.csv --embed ~/Described
    """
    if embed is not None:
        copies.check_target(folder, embed)
    if out.suffix.lower() not in SUFFIXES:
        raise BadRequest(f"{out.name} ends neither in .csv nor in .json nor in .xlsx.", "Choose one of the three.")
    check_writable(out)
    check_free(out, force)
    if count(folder) == 0:
        raise BadRequest(f"{folder} holds no pictures.", "Name a folder of pictures.")
    interrupted = False
    with ephemeral() as (settings, ledger):
        site = Site(
            id="folder", name=str(folder), profile=console.catalog().require(profile).name, locales=tuple(locale or ["en"])
        )
        ledger.add_site(site)
        plan = plan_folder(site, folder, window=settings.window, now_ms=ledger.now_ms(), deliver=False)
        ledger.start_backfill(plan)
        try:
            watch(ledger, plan.id)
        except KeyboardInterrupt:
            interrupted = True
        rows = sorted((row(job, review) for job in jobs_of(ledger, plan.id)), key=lambda r: r["file"])
    write_table(rows, out)
    if embed is not None:
        console.out.print(copies.write(rows, folder, embed, site.locales[0]))
    good = sum(1 for r in rows if r["status"] == "done")
    rest = "not done" if interrupted else "failed"
    console.out.print(f"{good} described, {len(rows) - good} {rest} → {out}")
    if interrupted:
        raise typer.Exit(130)
    if good < len(rows):
        raise typer.Exit(1)


def check_writable(out: Path) -> None:
    """Before the work and not after it. Errors: BadRequest."""
    if out.is_dir():
        raise BadRequest(f"{out} is a folder.", "Name a file.")
    if not out.resolve().parent.is_dir():
        raise BadRequest(f"The folder of {out} does not exist.", "Make it first.")
    draft = _draft(out)
    try:
        draft.write_bytes(b"")
        draft.unlink()
    except OSError as err:
        raise BadRequest(f"{out} cannot be written: {err.strerror}.", "Choose another place.") from err


def _draft(out: Path) -> Path:
    return out.with_name("." + out.name + ".part")


@contextlib.contextmanager
def ephemeral(**changes: Any) -> Iterator[tuple[Settings, Ledger]]:
    """A stack in a folder of its own that goes when it is done. `changes`: to the settings, for this run."""
    with tempfile.TemporaryDirectory(prefix="tagger-") as home:
        own = {"home": Path(home).resolve(), "ledger_url": "", "broker_url": "", "blob_dir": None}
        chosen = console.settings()
        settings = chosen.model_copy(update={**own, "model_dir": chosen.models, **changes})
        with (Path(home) / "supervisor.log").open("w") as log_file:
            telemetry.configure(settings, "describe", stream=log_file)
            stack = Stack(settings, Shape(upload=0, backfill=settings.tag_processes or processors(), api=False))
            ledger = open_ledger(settings.ledger)
            try:
                with console.out.status("Starting…"):
                    stack.start()
                    stack.wait_ready()
                yield settings, ledger
            finally:
                ledger.close()
                stack.stop()


def jobs_of(ledger: Ledger, backfill_id: str) -> Iterator[Job]:
    """All jobs of a backfill."""
    cursor: str | None = None
    while True:
        page = ledger.jobs(backfill_id=backfill_id, cursor=cursor, limit=200)
        yield from page.data
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def row(job: Job, review: bool) -> dict[str, Any]:
    """One line of the table: the first locale's words. Texts for review only when they are wanted."""
    words: dict[str, Any] = {"file": job.asset_id, "status": job.status, "caption": None, "alt_text": None, "tags": []}
    verdict, reasons = None, ""
    if job.description is not None:
        verdict = job.description.verdict.action
        reasons = ", ".join(job.description.verdict.reasons)
        wanted = {"publish", "review"} if review else {"publish"}
        for found in job.description.annotations:
            if found.locale != job.request.locales[0] or found.verdict.action not in wanted:
                continue
            if isinstance(found.value, tuple):
                words["tags"] = [{"id": t.id, "label": t.label, "score": round(t.score, 3)} for t in found.value]
            else:
                words[found.field] = found.value
    error = f"{job.error.title}: {job.error.detail}" if job.error else None
    return {**words, "verdict": verdict, "reasons": reasons, "error": error}


def write_table(rows: list[dict[str, Any]], out: Path) -> None:
    """CSV and XLSX hold the tags as text; JSON holds them with scores. Written beside and renamed, so never half."""
    draft = _draft(out)
    kind = out.suffix.lower()
    if kind == ".json":
        draft.write_text(json.dumps({"data": rows, "next_cursor": None}, ensure_ascii=False, indent=2) + "\n", "utf-8")
    elif kind == ".csv":
        with draft.open("w", encoding="utf-8-sig", newline="") as file:  # the mark makes Excel read it as UTF-8
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows([text_cell(r[column]) for column in COLUMNS] for r in rows)
    else:
        book = Workbook(write_only=True)
        sheet = book.create_sheet("captions")
        sheet.append(list(COLUMNS))
        for r in rows:
            sheet.append([ILLEGAL_CHARACTERS_RE.sub("\ufffd", text_cell(r[column])) for column in COLUMNS])
        book.save(draft)
    draft.replace(out)


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def text_cell(value: Any) -> str:
    """A cell as text. What a spreadsheet would run as a formula (a file may be named so) gets an apostrophe in front."""
    if value is None:
        return ""
    text = ", ".join(f"{t['label']} ({t['score']:.2f})" for t in value) if isinstance(value, list) else str(value)
    return "'" + text if text.startswith(FORMULA) else text
