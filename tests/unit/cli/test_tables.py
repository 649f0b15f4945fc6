"""The tables that `tagger describe` writes: no formula runs, no character breaks the file."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import pytest

from tagger.annotation import Annotation, Tag, Verdict
from tagger.cli.tables import check_writable
from tagger.cli.words_table import content, row
from tagger.errors import BadRequest
from tagger.judge.gate import REASONS

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


def write(rows: list[dict[str, Any]], locales: list[str], out: Path) -> None:
    out.write_bytes(content(rows, locales, out.suffix))


def rows() -> list[dict[str, Any]]:
    tags = [{"id": "cat", "label": "cat", "score": 0.97}]
    empty = {"status": "done", "caption": None, "alt_text": "", "verdict": "publish", "reasons": "", "error": None}
    return [{**empty, "file": name, "tags": tags} for name in NAMES]


def safe(name: str) -> str:
    return "'" + name if name[0] in "=+-@\t\r\n" else name


def test_csv(tmp_path: Path) -> None:
    write(rows(), ["en"], tmp_path / "o.csv")
    with (tmp_path / "o.csv").open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["file"] for row in found] == [safe(name) for name in NAMES]
    assert {row["tags"] for row in found} == {"cat (0.97)"}


def test_xlsx(tmp_path: Path) -> None:
    write(rows(), ["en"], tmp_path / "o.xlsx")
    book = openpyxl.load_workbook(tmp_path / "o.xlsx")
    cells = [row[0] for row in book["captions"].iter_rows(min_row=2)]
    book.close()
    assert {cell.data_type for cell in cells} == {"s"}, "texts, and no formula among them"
    assert cells[-1].value == "c\ufffd.png"


def test_a_spreadsheet_is_made_for_a_person(tmp_path: Path) -> None:
    """Bold heading that stays in sight, columns as wide as their words, and no codes."""
    one = {**rows()[0], "file": "a.png", "verdict": "review", "reasons": "low_score, contains_text", "caption": "A cat."}
    write([one], ["en"], tmp_path / "o.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "o.xlsx")["captions"]
    heading, line = sheet.iter_rows(values_only=True)
    assert heading[:4] == ("File", "Status", "Caption", "Alternative text")
    assert all(cell.font.bold for cell in sheet[1])
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("B2", "A1:H2")
    assert min(sheet.column_dimensions[letter].width for letter in "ABCDEFGH") >= 14
    assert sheet.column_dimensions["C"].width >= 40
    assert line[1] == "described"
    assert line[5] == "a person must decide"
    assert line[6] == f"{REASONS['low_score']} {REASONS['contains_text']}"


def test_a_name_that_looks_like_an_escape_stays_that_name_in_a_spreadsheet(tmp_path: Path) -> None:
    write([{**rows()[0], "file": "a_x0041_.png", "caption": "_x000D_"}], ["en"], tmp_path / "o.xlsx")
    with zipfile.ZipFile(tmp_path / "o.xlsx") as book:
        xml = book.read("xl/worksheets/sheet1.xml").decode()
    assert "a_x005F_x0041_.png" in xml, "ECMA-376, 22.9.2.19: a spreadsheet shows `_x005F_` as `_`"
    assert "_x005F_x000D_" in xml


def test_every_locale_that_was_asked_for_has_its_columns(tmp_path: Path) -> None:
    verdict = Verdict(action="publish", reasons=())
    said = [
        ("caption", "en", "A cat."),
        ("alt_text", "en", "A cat"),
        ("tags", "en", (Tag(id="cat", label="cat", score=0.9, category="c"),)),
        ("caption", "de", None),
        ("tags", "de", (Tag(id="cat", label="Katze", score=0.9, category="c"),)),
    ]
    annotations = tuple(
        Annotation(field=field, locale=locale, value=value, score=None, model=None, rules=(), verdict=verdict)
        for field, locale, value in said
    )
    job: Any = SimpleNamespace(
        asset_id="a.png",
        status="done",
        error=None,
        request=SimpleNamespace(locales=("en", "de")),
        description=SimpleNamespace(annotations=annotations, verdict=verdict),
    )
    write([row(job, review=False)], ["en", "de"], tmp_path / "o.csv")
    with (tmp_path / "o.csv").open(encoding="utf-8-sig", newline="") as file:
        [line] = csv.DictReader(file)
    assert (line["caption"], line["tags"], line["caption_de"], line["tags_de"]) == ("A cat.", "cat (0.90)", "", "Katze (0.90)")
    write([row(job, review=False)], ["en", "de"], tmp_path / "o.xlsx")
    heading = next(openpyxl.load_workbook(tmp_path / "o.xlsx")["captions"].iter_rows(values_only=True))
    assert [name for name in heading if name.endswith("(de)")] == ["Caption (de)", "Alternative text (de)", "Tags (de)"]
    assert "Caption (en)" in heading


def test_json_keeps_what_is_there(tmp_path: Path) -> None:
    write(rows(), ["en"], tmp_path / "o.json")
    assert [row["file"] for row in json.loads((tmp_path / "o.json").read_text("utf-8"))["data"]] == NAMES


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "o.csv")
    assert list(tmp_path.iterdir()) == []
    for bad in (tmp_path, tmp_path / "no" / "o.csv", tmp_path / f"{'o' * 300}.csv"):
        with pytest.raises(BadRequest):
            check_writable(bad)


@pytest.mark.parametrize(("review", "verdict", "caption"), [(True, "review", "Perhaps a cat."), (False, "publish", None)])
def test_a_line_with_words_for_review_says_review(review: bool, verdict: str, caption: str | None) -> None:
    """Its tags publish, so the picture as a whole does: but whoever copies the caption must see that a person is to look."""
    doubtful = Verdict(action="review", reasons=("low_score",))
    publish = Verdict(action="publish")
    common: dict[str, Any] = {"locale": "en", "score": 0.5, "model": "m@1", "rules": ()}
    found = (
        Annotation(field="caption", value="Perhaps a cat.", verdict=doubtful, **common),
        Annotation(field="tags", value=(Tag(id="cat", label="cat", score=0.9),), verdict=publish, **common),
    )
    whole = SimpleNamespace(annotations=found, verdict=Verdict(action="publish", reasons=("low_score",)))
    job: Any = SimpleNamespace(
        asset_id="a.png", status="done", request=SimpleNamespace(locales=("en",)), description=whole, error=None
    )
    line = row(job, review)
    assert (line["verdict"], line["reasons"], line["caption"], line["status"]) == (verdict, "low_score", caption, "done")


def test_a_line_says_that_an_alternative_text_is_empty_on_purpose() -> None:
    """No cell of a CSV tells `""` from no proposal."""
    common: dict[str, Any] = {"locale": "en", "score": None, "model": None, "rules": ("A9",)}
    verdict = Verdict(action="publish", reasons=("uniform",))
    found = (Annotation(field="alt_text", value="", verdict=verdict, source="rule", **common),)
    whole = SimpleNamespace(annotations=found, verdict=Verdict(action="publish", reasons=("no_caption",)))
    job: Any = SimpleNamespace(
        asset_id="a.png", status="done", request=SimpleNamespace(locales=("en",)), description=whole, error=None
    )
    assert row(job, review=False)["reasons"] == "no_caption, uniform"
