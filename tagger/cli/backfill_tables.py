"""The lines of a backfill's report as a table, as files, and as a page with the images."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tagger.cli import console, tables
from tagger.cli.outputs import Output, check_free
from tagger.cli.tables import Column
from tagger.errors import BadRequest
from tagger.services.backfill.report import Line

SUFFIXES = (*tables.SUFFIXES, ".html")
SHOWN = 40  # lines that the terminal shows
COLUMNS = [
    Column(name="asset", heading="Asset", width=24),
    Column(name="status", heading="Status", width=12),
    Column(name="field", heading="Field", width=10),
    Column(name="locale", heading="Locale", width=8),
    Column(name="before", heading="Before", width=50),
    Column(name="after", heading="After", width=50),
    Column(name="reason", heading="Reason", width=30),
    Column(name="image", heading="Image", width=40),
    Column(name="job", heading="Job", width=32),
]
STYLE = """body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#1d1d1f}table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid #ddd;padding:.5rem;text-align:left;vertical-align:top}img{max-width:180px;max-height:140px}
del{background:#fde7e7;text-decoration:none}ins{background:#e3f6e5;text-decoration:none}.s{color:#666}"""


def check_place(out: Path, force: bool) -> None:
    """Check the file before the work. Errors: BadRequest."""
    if out.suffix.lower() == ".html":
        tables.check_writable(out)
    elif out.suffix.lower() not in SUFFIXES:
        raise BadRequest(f"{out.name} does not end in one of {', '.join(SUFFIXES)}.", "Use one of these endings.")
    else:
        tables.check_place(out)
    check_free(out, force)


def write(out: Path, force: bool, lines: Sequence[Line], title: str, body: Mapping[str, Any]) -> Path:
    rows = [line.row() for line in lines]
    if out.suffix.lower() == ".html":
        content = page(lines, title).encode()
    else:
        content = tables.content(rows, COLUMNS, out.suffix, title="backfill", body={**body, "data": rows})
    file = Output(place=out, over=force)
    file.write(content)
    return file.place


def show(lines: Sequence[Line]) -> None:
    rows = [{**line.row(), "field": f"{line.field} {line.locale}".strip()} for line in lines[:SHOWN]]
    columns = ["asset", "status", "field", "before", "after", "reason"]
    console.print_table(rows, columns, "No asset.", drop=["reason"], prose="after")
    if len(lines) > SHOWN:
        console.out.print(f"… and {len(lines) - SHOWN} more lines; --out FILE writes all.")


def page(lines: Sequence[Line], title: str) -> str:
    """A page without scripts. The images come from the CMS."""
    rows = "\n".join(_row(line, earlier) for line, earlier in zip(lines, [None, *lines], strict=False))
    policy = "default-src 'none'; img-src http: https:; style-src 'unsafe-inline'"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="referrer" content="no-referrer"><title>{html.escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{html.escape(title)}</h1><table><thead><tr><th>Image<th>Asset<th>Field<th>Before<th>After<th>Status</tr></thead>"
        f"<tbody>\n{rows}\n</tbody></table></html>\n"
    )


def _row(line: Line, earlier: Line | None) -> str:
    first = earlier is None or earlier.asset != line.asset
    image = f'<img src="{html.escape(line.image or "")}" alt="" loading="lazy">' if first and _shown(line.image) else ""
    before = "" if line.before is None else f"<del>{_quoted(line.before)}</del>"
    after = "" if line.after is None else f"<ins>{_quoted(line.after)}</ins>"
    place = html.escape(f"{line.field} {line.locale}".strip())
    cells = [image, html.escape(line.asset) if first else "", place, before, after]
    status = f'{html.escape(line.status)} <span class="s">{html.escape(line.reason)}</span>'
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in [*cells, status]) + "</tr>"


def _shown(image: str | None) -> bool:
    return image is not None and image.startswith(("http://", "https://"))


def _quoted(text: str) -> str:
    return html.escape(text) or "<i>empty</i>"
