"""Tables that a person opens: CSV, JSON or XLSX."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from tagger.errors import BadRequest
from tagger.system import whole_file

SUFFIXES = (".csv", ".json", ".xlsx")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")  # a spreadsheet reads `_x0041_` as the letter A

Row = Mapping[str, Any]


def _plain(value: Any) -> Any:
    return value


@dataclass(frozen=True, kw_only=True)
class Column:
    name: str  # in CSV and JSON
    heading: str  # in a spreadsheet
    width: int = 16  # characters
    words: Callable[[Any], Any] = _plain  # the text in a spreadsheet for a code


def check_place(out: Path) -> None:
    """Check the file before the work. Errors: BadRequest."""
    if out.suffix.lower() not in SUFFIXES:
        raise BadRequest(f"{out.name} ends neither in .csv nor in .json nor in .xlsx.", "Use one of these three endings.")
    if os.path.isdir(out):  # Path.is_dir fails for a name that is too long
        raise BadRequest(f"{out} is a folder.", "Name a file.")
    check_writable(out)


def check_writable(out: Path) -> None:
    """Errors: BadRequest."""
    if os.path.isdir(out):  # Path.is_dir fails for a name that is too long
        raise BadRequest(f"{out} is a folder.", "Name a file.")
    if not out.resolve().parent.is_dir():
        raise BadRequest(f"The folder of {out} does not exist.", "Create it first.")
    try:
        whole_file.check_writable(out)
    except OSError as err:
        raise BadRequest(f"{out} cannot be written: {err.strerror}.", "Name a file in a folder that you may write to.") from err


def content(
    rows: Sequence[Row], columns: Sequence[Column], suffix: str, *, title: str, body: Mapping[str, Any], notes: Row | None = None
) -> bytes:
    """The content of the file, in the format of `suffix`.

    `body`: the whole JSON. `title`: of the spreadsheet's first sheet; `notes`: names and numbers on a second one.
    """
    kind = suffix.lower()
    if kind == ".json":
        return (json.dumps(body, ensure_ascii=False, indent=2) + "\n").encode()
    if kind == ".csv":
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow([column.name for column in columns])
        writer.writerows([text_cell(row[column.name]) for column in columns] for row in rows)
        return text.getvalue().encode("utf-8-sig")  # with the byte order mark, Excel reads it as UTF-8
    file = io.BytesIO()
    _workbook(rows, columns, title, notes or {}).save(file)
    return file.getvalue()


def _workbook(rows: Sequence[Row], columns: Sequence[Column], title: str, notes: Row) -> Workbook:
    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet(title)
    sheet.freeze_panes = "B2"  # the heading and the file name stay visible
    for number, column in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(number)].width = column.width
    sheet.append([_cell(sheet, column.heading, bold=True) for column in columns])
    for row in rows:
        sheet.append([_cell(sheet, column.words(row[column.name])) for column in columns])
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{len(rows) + 1}"
    if notes:
        second = book.create_sheet("summary")
        second.column_dimensions["A"].width = 24
        for name, value in notes.items():
            second.append([_cell(second, name, bold=True), _cell(second, value)])
    return book


def _cell(sheet: Any, value: Any, *, bold: bool = False) -> Any:
    """A number stays a number. A text is always a text, also if it begins like a formula or holds an escape."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return WriteOnlyCell(sheet, value)
    text = ESCAPED.sub("_x005F_", ILLEGAL_CHARACTERS_RE.sub("\ufffd", _text(value)))
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    if bold:
        cell.font = Font(bold=True)
    return cell


def _text(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(f"{t['label']} ({t['score']:.2f})" for t in value) if isinstance(value, list) else str(value)


def text_cell(value: Any) -> str:
    """A cell of a CSV. If a spreadsheet would run it as a formula, an apostrophe is added in front."""
    text = _text(value)
    return "'" + text if text.startswith(FORMULA) else text
