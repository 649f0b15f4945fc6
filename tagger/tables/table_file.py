"""Tables as people's programs save them: CSV with commas, semicolons or tabs. text_encoding.py says in which encodings."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagger.errors import BadRequest
from tagger.tables.text_encoding import decoded

MAX_BYTES = 64 << 20
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
EMPTY_LINES = re.compile(r"(?:[ \t\r,;|]*\n)*")
END_OF_FILE = "\x1a"  # that old programs of Windows write


@dataclass(frozen=True, kw_only=True)
class Line:
    number: int  # in the file, from 1
    cells: Mapping[str, str]  # column → text without blanks at its ends


@dataclass(frozen=True, kw_only=True)
class Table:
    columns: tuple[str, ...]  # in lower case
    lines: tuple[Line, ...]


def load(path: Path, needed: Sequence[str], fault: type[BadRequest], encoding: str | None = None) -> Table:
    """Errors: as `read`; `fault` also where the file cannot be opened or is over 64 MiB."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as err:
        raise fault(f"{path} cannot be read: {err.strerror}.", "Check the path and the permissions.") from err
    if len(raw) > MAX_BYTES:
        raise fault(f"{path.name} is larger than {MAX_BYTES >> 20} MiB.", "Split the file into smaller ones.")
    return read(raw, needed, source=path.name, fault=fault, encoding=encoding)


def read(raw: bytes, needed: Sequence[str], *, source: str, fault: type[BadRequest], encoding: str | None = None) -> Table:
    """Errors: `fault` for bytes that are no text in the `encoding` (None: UTF-8 or UTF-16), for a NUL character, for a `needed`
    column that is missing or stands twice, for a line with more cells than the heading, and for what is no CSV.
    """
    text = _without_nul(decoded(raw, source, fault, encoding), source, fault)
    marked, text = _marked(text.removesuffix(END_OF_FILE))
    empty, text = _heading_first(text)
    delimiter = marked or next((d for d in DELIMITERS if set(needed) <= set(_heading(text, d))), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = tuple(map(_name, next(reader, [])))
        missing = [name for name in needed if name not in columns]
        if missing:
            raise fault(f"{source}, line 1: the column `{missing[0]}` is missing.", f"Add a column `{missing[0]}`.")
        check_once(columns, needed, source=source, fault=fault)
        lines = tuple(_lines(reader, columns, empty + (1 if marked else 0)))
    except _TooManyCells as err:
        remedy = f"Put quotes around each text that holds {DELIMITERS.get(delimiter, f'`{delimiter}`')}."
        raise fault(f"{source}, line {err}, but the heading has {len(columns)}.", remedy) from None
    except csv.Error as err:
        remedy = "Correct the CSV; quote texts with commas."
        raise fault(f"{source}, line {reader.line_num}: {err}; it cannot be read as CSV.", remedy) from None
    return Table(columns=columns, lines=lines)


def check_once(columns: Sequence[str], names: Sequence[str], *, source: str, fault: type[BadRequest]) -> None:
    """Errors: `fault` if a column that is read stands twice: one of the two would be ignored, and nobody would know which."""
    for name in names:
        if columns.count(name) > 1:
            raise fault(f"{source}, line 1: there are two columns `{name}`.", "Rename or delete one of the two.")


def _without_nul(text: str, source: str, fault: type[BadRequest]) -> str:
    """Errors: `fault`. No database stores this character, so the row would fail each time that it is sent on."""
    if (at := text.find("\0")) >= 0:
        detail = f"{source}, line {text.count(chr(10), 0, at) + 1}: there is a NUL character."
        raise fault(detail, "Delete it. If there are many, save the file as UTF-8.")
    return text


class _TooManyCells(Exception):
    """A line has more cells than the heading: the rest of a text whose comma is not quoted, which must not get lost."""


def _lines(reader: Iterator[list[str]], columns: Sequence[str], above: int) -> Iterator[Line]:
    for cells in reader:
        if any(map(str.strip, cells)):  # spreadsheets write rows without texts, too
            number = reader.line_num + above  # type: ignore[attr-defined]
            texts = [cell.strip() for cell in cells] + [""] * (len(columns) - len(cells))
            if any(texts[len(columns) :]):  # spreadsheets add empty cells
                raise _TooManyCells(f"{number}: there are {len(cells)} cells")
            yield Line(number=number, cells=dict(zip(columns, texts, strict=False)))


def _marked(text: str) -> tuple[str | None, str]:
    """Excel names the delimiter in a line of its own above the heading: `sep=;`."""
    first, _, rest = text.partition("\n")
    first = first.rstrip("\r")
    return (first[4:], rest) if first.lower().startswith("sep=") and len(first) == 5 else (None, text)


def _heading_first(text: str) -> tuple[int, str]:
    """How many lines without any text stand above the heading, and the text from the heading on."""
    found = EMPTY_LINES.match(text)
    end = found.end() if found else 0
    return text.count("\n", 0, end), text[end:]


def _heading(text: str, delimiter: str) -> list[str]:
    try:
        return list(map(_name, next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])))
    except csv.Error:
        return []


def _name(cell: str) -> str:
    return unicodedata.normalize("NFC", cell.strip()).lower()
