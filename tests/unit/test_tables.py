"""The tables that `tagger describe` writes: no formula runs, no character breaks the file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tagger.cli.describe import check_writable, write_table
from tagger.errors import BadRequest

NAMES = [
    "=1+1.png",
    "+a.png",
    "-a.png",
    "@a.png",
    "\ta.png",
    "\ra.png",
    "\na.png",
    "plain.png",
    "猫 é.png",
    "a,b.png",
    "c\x01.png",
]


def rows() -> list[dict[str, Any]]:
    tags = [{"id": "cat", "label": "cat", "score": 0.97}]
    empty = {"status": "done", "caption": None, "alt_text": "", "verdict": "publish", "reasons": "", "error": None}
    return [{**empty, "file": name, "tags": tags} for name in NAMES]


def safe(name: str) -> str:
    return "'" + name if name[0] in "=+-@\t\r\n" else name


def test_csv(tmp_path: Path) -> None:
    write_table(rows(), tmp_path / "o.csv")
    with (tmp_path / "o.csv").open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["file"] for row in found] == [safe(name) for name in NAMES]
    assert {row["tags"] for row in found} == {"cat (0.97)"}


def test_xlsx(tmp_path: Path) -> None:
    write_table(rows(), tmp_path / "o.xlsx")
    book = openpyxl.load_workbook(tmp_path / "o.xlsx")
    cells = [row[0] for row in book["captions"].iter_rows(min_row=2)]
    book.close()
    assert {cell.data_type for cell in cells} == {"s"}, "texts, and no formula among them"
    assert cells[-1].value == "c\ufffd.png"


def test_json_keeps_what_is_there(tmp_path: Path) -> None:
    write_table(rows(), tmp_path / "o.json")
    assert [row["file"] for row in json.loads((tmp_path / "o.json").read_text("utf-8"))["data"]] == NAMES


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "o.csv")
    assert list(tmp_path.iterdir()) == []
    for bad in (tmp_path, tmp_path / "no" / "o.csv"):
        with pytest.raises(BadRequest):
            check_writable(bad)
