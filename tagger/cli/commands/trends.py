"""`tagger trends`."""

from __future__ import annotations

import csv
import sys
from typing import Annotated, Literal

import typer

from tagger.cli import console
from tagger.instants import parse_instant

COLUMNS = ("start", "described", "publish", "review", "suppress", "coverage", "tags")


def trends(
    site: Annotated[str, typer.Option(help="Of this site.")],
    period: Annotated[Literal["day", "week", "month"], typer.Option(help="Length of a period.")] = "month",
    after: Annotated[str | None, typer.Option(help="First described at or after, e.g. 2026-11-01T00:00:00Z.")] = None,
    before: Annotated[str | None, typer.Option(help="First described before.")] = None,
    top: Annotated[int, typer.Option(min=0, max=1000, help="Only so many of the most frequent tags.")] = 20,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a line for each number.")] = False,
    json: console.Json = False,
) -> None:
    """Show how tags and verdicts change over time.

    Example:  tagger trends --site blog --period week --csv > trends.csv
    """
    from tagger.services import trends as service

    with console.ledger() as ledger:
        ledger.get_site(site)
        limits = {"after_ms": parse_instant(after), "before_ms": parse_instant(before)}
        body = service.trends(ledger, site, period, top=top, **limits)
    if json:
        console.print_json(body)
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(service.CSV_COLUMNS)
        writer.writerows(service.csv_rows(body))
    else:
        rows = [
            {
                **row,
                "coverage": f"{row['coverage']:.0%}",
                "tags": ", ".join(f"{tag['id']} {tag['share']:.0%}" for tag in row["tags"] if tag["count"]),
            }
            for row in body["data"]
        ]
        console.print_table(rows, COLUMNS, "No image was described.", drop=("suppress",), prose="tags")
