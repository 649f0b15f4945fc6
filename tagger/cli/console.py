"""Shared by all commands: the settings of this call, an open ledger, and output as a table or as JSON."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.segment import Segment
from rich.table import Table

from tagger.cli.columns import table_lines
from tagger.errors import BadRequest, NotFound, SettingsError, TaggerError
from tagger.locales import parse as parse_locale
from tagger.telemetry.control_characters import escape_cell, escape_controls, escape_json

if TYPE_CHECKING:  # every command imports this module; a function imports what it alone needs
    from tagger.catalog.load import Catalog
    from tagger.ledger import Ledger
    from tagger.settings import Settings


class Lines(Console):
    """Prints lines without line breaks of its own, so that an id or a URL can be copied. Control characters are escaped, because
    ids, names and answers come from outside."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self._width is not None and self._width < 1:  # COLUMNS=0 means unknown; else nothing would be printed
            self._width = None

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **{"soft_wrap": not any(isinstance(o, Table) for o in objects), **options})

    def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else escape_controls(text), style, control)


# No markup and no emoji codes, so that names of files and ids of assets are printed unchanged.
out = Lines(highlight=False, markup=False, emoji=False)
err = Lines(stderr=True, highlight=False, markup=False, emoji=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AlwaysJson = Annotated[bool, typer.Option("--json", help="Has no effect: the output is always JSON.", show_default=False)]
Encoding = Annotated[
    str | None,
    typer.Option(
        help="Encoding of the table, e.g. windows-1252 or gbk. Needed if it is neither UTF-8 nor UTF-16.", show_default=False
    ),
]
HOME: dict[str, Path | None] = {"home": None}  # the global option --home, set once by the root command


def path(text: str | Path) -> Path:
    """The value of an option or argument that names a file or a folder. `Path("")`, from an unset variable in a script, would
    be the folder that the command runs in."""
    if not str(text):
        raise typer.BadParameter("it is empty; name a file or a folder.")
    return Path(text)


PATH: dict[str, Any] = {"parser": path, "metavar": "PATH"}  # of such an option or argument
NO_TAGGER = "`tagger up` or `tagger sites add` creates one. If yours is elsewhere, name its home with --home or TAGGER_HOME."


def settings(**overrides: Any) -> Settings:
    """The settings of this call. Errors: SettingsError."""
    from tagger.settings import load

    return load(home=HOME["home"], **overrides)


def catalog() -> Catalog:
    """Profiles and vocabularies of this installation. Errors: ProfileInvalid, VocabularyInvalid."""
    from tagger.catalog.load import load_catalog

    return load_catalog(settings().home)


def locales(given: Sequence[str] | None, default: Sequence[str] = ("en",)) -> tuple[str, ...]:
    """The values of --locale. Errors: BadRequest if one is not a language tag."""
    try:
        return tuple(dict.fromkeys(parse_locale(text) for text in given or default))
    except ValueError as err:
        raise BadRequest(f"--locale: {err}.", "Use a language tag, such as en, pt-BR or zh-Hans.") from None


@contextmanager
def ledger(*, making: bool = False) -> Iterator[Ledger]:
    """The ledger of this call, brought to the newest schema. It must be there already unless `making`: a misspelt home would
    look like an empty one. Errors: SettingsError, LedgerUnavailable.
    """
    from tagger.ledger import open_ledger
    from tagger.system.home import make_home

    chosen = settings()
    if making or os.path.lexists(chosen.home):
        make_home(chosen.home)
    if not making and (missing := missing_ledger(chosen)) is not None:
        raise SettingsError(missing, NO_TAGGER)
    opened = open_ledger(chosen.ledger)
    try:
        opened.migrate()
        yield opened
    finally:
        opened.close()


def missing_ledger(chosen: Settings) -> str | None:
    """What to say where there is no ledger; None where there is one, or where only a server can tell."""
    from tagger.ledger import file_of

    file = file_of(chosen.ledger)
    if file is None or file.exists():
        return None
    return f"There is no ledger {file}." if chosen.ledger_url else f"There is no tagger in {chosen.home}."


def print_json(value: Any) -> None:
    print(escape_json(json.dumps(value, ensure_ascii=not _is_unicode(sys.stdout), indent=2)))


def tolerate_encodings() -> None:
    """If an output is not Unicode (by PYTHONIOENCODING or the locale), other characters are escaped, such as `\\u2192`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not _is_unicode(stream):
            stream.reconfigure(errors="backslashreplace")


def _is_unicode(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


def print_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str, *, drop: Sequence[str] = (), prose: str | None = None
) -> None:
    """Print rows as a table, or `empty` if there are none. columns.py adapts it to the terminal. In a pipe each row is one full
    line."""
    if not rows:
        out.print(empty)
        return
    width = out.width if out.is_terminal else None
    header, *body = table_lines(rows, columns, width, drop=drop, prose=prose)
    out.print(header, style="bold")
    for line in body:
        out.print(line)


def on_one_line(value: Any) -> Any:
    """The value without line breaks and other control characters in its texts, for use inside one line."""
    if isinstance(value, str):
        return escape_cell(value)
    if isinstance(value, dict):
        return {name: on_one_line(part) for name, part in value.items()}
    return [on_one_line(part) for part in value] if isinstance(value, list) else value


# Remedies for the command line, in place of those that mention a request.
REMEDIES = {
    BadRequest.default_remedy: "Correct the option or the argument; --help of the command has an example.",
    NotFound.default_remedy: "Check the name or the id; the command `list` of the same group shows all.",
}


def complain(error: TaggerError) -> None:
    """Print an error for a person: what, why, what to do."""
    info = error.info()
    err.print(f"{info.title} ({info.code})", style="bold red")
    if info.detail != info.title:
        err.print(f"  {info.detail}")
    err.print(f"  {REMEDIES.get(info.remedy, info.remedy)}")
