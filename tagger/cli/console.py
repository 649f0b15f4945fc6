"""What every command needs: the settings of this call, an open ledger, and output as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tagger.catalog import Catalog
from tagger.catalog import load as load_catalog
from tagger.errors import SettingsError, TaggerError
from tagger.home import make_home
from tagger.ledger import Ledger, open_ledger
from tagger.settings import Settings, load

PIPED_WIDTH = 10_000  # columns of a table that no terminal shows: nothing is folded


class Lines(Console):
    """Prints lines as they are: a terminal may wrap an id or a URL, but no line break is put into it."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **{"soft_wrap": not any(isinstance(o, Table) for o in objects), **options})


# No markup and no emoji codes: names of files and ids of assets are printed as they are, whatever stands in them.
out = Lines(highlight=False, markup=False, emoji=False)
err = Lines(stderr=True, highlight=False, markup=False, emoji=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
HOME: dict[str, Path | None] = {"home": None}  # the global option --home, set once by the root command


def settings(**overrides: Any) -> Settings:
    """The settings of this call. Errors: SettingsError."""
    return load(home=HOME["home"], **overrides)


def catalog() -> Catalog:
    """Profiles and vocabularies of this installation. Errors: ProfileInvalid, VocabularyInvalid."""
    return load_catalog(settings().home)


@contextmanager
def ledger(*, reading: bool = False) -> Iterator[Ledger]:
    """The ledger of this call, brought to the newest schema. `reading`: a home that was named must be there already, for a
    misspelt one would look like an empty one. Errors: SettingsError, LedgerUnavailable.
    """
    chosen = settings()
    if reading and HOME["home"] is not None and not chosen.ledger_url and not chosen.home.exists():
        raise SettingsError(f"There is no home {chosen.home}.", "Look at --home; `tagger up` and `tagger sites add` make one.")
    make_home(chosen.home)
    opened = open_ledger(chosen.ledger)
    try:
        opened.migrate()
        yield opened
    finally:
        opened.close()


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """Rows as a table; `empty` is said when there are none. The first column is never broken: it is an id to copy."""
    if not rows:
        out.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    wide = out if out.is_terminal else Lines(width=PIPED_WIDTH, highlight=False, markup=False, emoji=False)
    wide.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return str(value.get("id", json.dumps(value, ensure_ascii=False)))
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)


def complain(error: TaggerError) -> None:
    """An error as a person reads it: what, why, what to do."""
    info = error.info()
    err.print(f"{info.title} ({info.code})", style="bold red")
    if info.detail != info.title:
        err.print(f"  {info.detail}")
    err.print(f"  {info.remedy}")
