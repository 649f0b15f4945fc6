"""Tables for a narrow terminal. An id is never cut or broken, so that it can be copied.

If a table is too wide, the least important columns are left out, then prose moves below its row. A value that is still too long
is the last of its row, and the terminal wraps it.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from tagger.telemetry.control_characters import escape_cell

GAP = "  "
INDENT = "    "
LAST_LEAST = 24

Row = Mapping[str, Any]


def table_lines(
    rows: Sequence[Row], columns: Sequence[str], width: int | None, *, drop: Sequence[str] = (), prose: str | None = None
) -> Iterator[str]:
    """The header and one line for each row, or several if prose moves below.

    `width`: of the terminal; None: no limit. `drop`: columns that are left out in this order while the table is too wide.
    `prose`: the column that holds sentences.
    """
    cells = [{name: cell(row.get(name)) for name in columns} for row in rows]
    names = list(columns)
    below = False
    if width is not None:
        below = prose is not None and sum(_widths(cells, names)) + len(GAP) * (len(names) - 1) > width
        names = [name for name in names if name != prose] if below else names
        for name in drop:
            if name in names and _least(cells, names) > width:
                names.remove(name)
    widths = _widths(cells, names)
    yield _line([_title(name) for name in names], widths)
    for row in cells:
        yield _line([row[name] for name in names], widths)
        if below and prose is not None:
            assert width is not None
            inside = max(20, width - len(INDENT))
            yield from textwrap.wrap(
                row[prose], inside + len(INDENT), initial_indent=INDENT, subsequent_indent=INDENT,
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip


def _widths(cells: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[int]:
    return [max(cell_len(text) for text in [_title(name), *(row[name] for row in cells)]) for name in names]


def _least(cells: Sequence[Mapping[str, str]], names: Sequence[str]) -> int:
    """The needed width. A long id at the end of one row must not remove columns from all rows."""
    *widths, last = _widths(cells, names)
    return sum(widths) + len(GAP) * len(widths) + min(last, LAST_LEAST)


def _title(name: str) -> str:
    return name.replace("_", " ")


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = [text + " " * (width - cell_len(text)) for text, width in zip(texts, widths, strict=True)]
    return GAP.join(padded).rstrip()


def cell(value: Any) -> str:
    """One value on one line, without control characters for the terminal."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        text = str(value["id"]) if "id" in value else json.dumps(value, ensure_ascii=False)
    elif isinstance(value, list):
        text = ", ".join(str(item) for item in value)
    else:
        text = str(value)
    return escape_cell(text)
