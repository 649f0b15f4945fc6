"""`tagger check pairs.csv --out report.xlsx` and `tagger check --site SITE`: check whether texts describe their images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from tagger.cli import attention, console, tables
from tagger.cli.commands import models
from tagger.cli.commands.describe import ephemeral
from tagger.cli.outputs import Force, Output, check_free
from tagger.cli.tables import Column
from tagger.errors import BadRequest
from tagger.ledger import Ledger
from tagger.services import check_texts
from tagger.services.check_texts import Row
from tagger.services.checks_offered import require_checks
from tagger.site import Site

WIDTHS = {"index": 8, "image": 40, "text": 60, "result": 10, "confidence": 12, "status": 50}
COLUMNS = [Column(name=name, heading=name, width=width) for name, width in WIDTHS.items()]


def check(
    pairs: Annotated[
        Path | None, typer.Argument(**console.PATH, help="CSV with the columns image (path or URL) and text.")
    ] = None,
    out: Annotated[Path, typer.Option(**console.PATH, help="Report to write: .xlsx, .csv or .json.")] = Path("report.xlsx"),
    site: Annotated[str | None, typer.Option(help="Check the texts that tagger wrote to this site, instead of a file.")] = None,
    every: Annotated[
        float | None, typer.Option(min=0.01, help="With --site: repeat the check after this many hours, until Ctrl-C.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Kind of business: general, news, ecommerce, …")] = "general",
    encoding: console.Encoding = None,
    force: Force = False,
) -> None:
    """Check whether English texts describe their images.

    The report marks the texts that do not fit. No text is changed. If a pair cannot be checked, its column `status` says why, the
    other pairs are checked, and the exit status is 1.

    \b
    Examples:
      tagger check pairs.csv --out report.xlsx
      tagger check --site blog --out blog.xlsx --every 24
    """
    if (pairs is None) == (site is None):
        raise BadRequest(
            "`tagger check` needs either a CSV file of pairs or --site.", "Give one of them; `tagger check --help` has examples."
        )
    tables.check_place(out)
    check_free(out, force)
    report = Output(place=out, over=force)
    chosen = console.catalog().require(profile).name
    if pairs is not None:
        rows = check_texts.pairs(pairs, encoding)
        settings = console.settings()
        model = settings.check if settings.check != "none" else "ofa-entailment"
        lone = {"caption": "none", "embed": "none", "check": model}  # only the checking model is needed
        models.check_chosen(settings.model_copy(update=lone))
        with ephemeral(changes=lone) as (_, ledger):
            ledger.add_site(Site(id="pairs", name=str(pairs), profile=chosen))
            rows = _with_progress(ledger, "pairs", chosen, rows)
        _report(rows, report)
        _end(rows)
        return
    with console.ledger() as ledger:
        if (trouble := attention.no_worker(ledger.stats(), console.settings().home)) is not None:
            console.err.print(f"{trouble.detail}. {trouble.remedy}", style="yellow")
        while True:
            require_checks(ledger, console.settings(), "backfill")  # the workers of the running stack check these
            texts = list(check_texts.written(ledger, ledger.get_site(str(site)).id))
            rows = _with_progress(ledger, str(site), chosen, texts)
            _report(rows, report)
            if every is None:
                break
            time.sleep(every * 3600)
    _end(rows)


def _end(rows: Sequence[Row]) -> None:
    if any(row.failed for row in rows):
        raise typer.Exit(1)


def _with_progress(ledger: Ledger, site_id: str, profile: str, rows: Sequence[Row]) -> list[Row]:
    with Progress(console=console.err) as progress:
        task = progress.add_task("checking", total=len(rows))
        return check_texts.run(ledger, site_id, profile, rows, lambda _row: progress.advance(task))


def _report(rows: Sequence[Row], out: Output) -> None:
    out.write(content(rows, out.place.suffix))
    summary = check_texts.summary(rows)
    console.out.print(
        f"{summary['rows']} texts: {summary['yes']} fit, {summary['maybe']} may fit, {summary['no']} do not fit, "
        f"{summary['failed']} could not be checked → {out.place}",
    )


def content(rows: Sequence[Row], suffix: str) -> bytes:
    summary = check_texts.summary(rows)
    lines: list[dict[str, Any]] = [{name: getattr(row, name) for name in WIDTHS} for row in rows]
    return tables.content(lines, COLUMNS, suffix, title="checks", body={"data": lines, "summary": summary}, notes=summary)
