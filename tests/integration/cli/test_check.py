"""`tagger check`: many texts against their images, each row with its own result; one bad row does not end it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from acceptance.house import called
from openpyxl import load_workbook
from PIL import Image
from support.worker_house import WorkerHouse

from tagger.asset import ImageSource
from tagger.cli.commands import check
from tagger.delivery import FieldOutcome
from tagger.errors import BadRequest
from tagger.services import check_texts
from workers.models.fake import subject_of

COLOUR = (30, 60, 90)
SUBJECT = subject_of(COLOUR)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (64, 48), COLOUR).save(tmp_path / "good.png")
    (tmp_path / "broken.png").write_bytes(b"no picture at all")
    lines = [
        ("Image", "Text", "note"),
        ("good.png", f"a {SUBJECT} on a wall", "fits"),
        ("good.png", "=1+2 something else", "a formula is a text"),
        ("good.png", f"a premium {SUBJECT}", ""),
        ("good.png", "一只猫", ""),
        ("broken.png", "a cat", ""),
        ("missing.png", "a cat", ""),
        ("http://127.0.0.1:9/x.png", "a cat", ""),
        ("good.png", "", ""),
    ]
    with (tmp_path / "pairs.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(lines)
    return tmp_path


EXPECTED = [
    ("yes", "ok"),
    ("no", "ok"),
    ("yes", "warning: no pixel can show premium"),
    ("", "failed: unsupported_language"),
    ("", "failed: image_unreadable"),
    ("", "failed: the image is not there"),
    ("", "failed: address_forbidden"),
    ("", "failed: bad_request"),
]


def test_a_report_has_every_row_in_order_and_a_summary(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.xlsx"
    one = {"TAGGER_CHECK": "fake", "TAGGER_TAG_PROCESSES": "1", "TAGGER_DECODE_PROCESSES": "1"}
    done = called("check", str(folder / "pairs.csv"), "--out", str(out), home=tmp_path / "home", **one)
    assert done.returncode == 1, done.stderr  # some rows failed
    assert "8 texts: 2 fit, 0 may fit, 1 do not fit, 5 could not be checked" in done.stdout
    book = load_workbook(out)
    lines = list(book["checks"].iter_rows(values_only=True))
    assert lines[0] == ("index", "image", "text", "result", "confidence", "status")
    assert [line[0] for line in lines[1:]] == list(range(1, 9))
    for line, (result, status) in zip(lines[1:], EXPECTED, strict=True):
        assert (line[3] or "") == result
        assert str(line[5]).startswith(status), line
    assert book["checks"]["C3"].data_type == "s"
    assert dict(book["summary"].iter_rows(values_only=True)) == {"rows": 8, "yes": 2, "maybe": 0, "no": 1, "failed": 5}


def outcome(field: str, word: Any, locale: str = "en") -> FieldOutcome:
    return FieldOutcome(field=field, locale=locale, outcome=word)


def test_the_words_of_a_site_are_flagged_and_never_changed(tmp_path: Path) -> None:
    house = WorkerHouse(tmp_path / "house", caption="none", embed="none", check="fake")
    try:
        (job_id,) = house.accept(1, colour=COLOUR)
        source = house.ledger.job(job_id).request.source
        blob = ImageSource(kind="blob", location="gone")
        fields = {
            "alt_text": {"en": {"value": f"A {SUBJECT}"}, "zh-Hans": {"value": "猫"}},
            "caption": {"en": {"value": "Nothing"}},
        }
        older = {"alt_text": {"en": {"value": "Old words"}}, "title": {"en": {"value": "kept ones"}}}
        said = [outcome("alt_text", "written"), outcome("alt_text", "written", "zh-Hans"), outcome("caption", "unchanged")]
        kept = [outcome("alt_text", "written"), outcome("title", "kept")]
        delivered = [
            SimpleNamespace(asset_id="a", fields=fields, outcomes=said, job_id="1"),
            SimpleNamespace(asset_id="a", fields=older, outcomes=kept, job_id="2"),
            SimpleNamespace(asset_id="b", fields=older, outcomes=kept[:1], job_id="3"),
        ]
        sources = {"1": source, "2": source, "3": blob}

        class Site:
            """The ledger of a site to which these were delivered, newest first."""

            def deliveries(self, **_: Any) -> Any:
                return SimpleNamespace(data=delivered, next_cursor=None)

            def job(self, job_id: str) -> Any:
                return SimpleNamespace(request=SimpleNamespace(source=sources[job_id]))

        rows = list(check_texts.written(Site(), "site"))  # type: ignore[arg-type]
        assert [(row.image, row.text) for row in rows] == [("a", f"A {SUBJECT}"), ("a", "Nothing"), ("b", "Old words")]
        house.tag("backfill")
        house.start("reconcile")
        checked = check_texts.run(house.ledger, "site", "general", rows, lambda _row: None)
        assert [row.result for row in checked] == ["yes", "no", ""]
        assert [row.flagged for row in checked] == [False, True, False]
        assert "not kept" in checked[2].status
        assert house.ledger.deliveries(site_id="site").data == []
    finally:
        house.close()


def test_what_is_no_table_of_pairs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("picture,words\nx,y\n")
    with pytest.raises(BadRequest, match="the column `image` is missing"):
        check_texts.pairs(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadRequest, match="cannot be read"):
        check_texts.pairs(tmp_path / "b.csv")
    with pytest.raises(BadRequest, match="cannot be read"):
        check_texts.pairs(tmp_path / "none.csv")


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_a_report_may_be_csv_or_json(tmp_path: Path, suffix: str) -> None:
    row = check_texts.Row(index=1, image="a.png", text="a cat", source=None, result="yes", confidence=0.9, status="ok")
    out = tmp_path / f"report{suffix}"
    out.write_bytes(check.content([row], suffix))
    if suffix == ".json":
        assert json.loads(out.read_text())["summary"] == {"rows": 1, "yes": 1, "maybe": 0, "no": 0, "failed": 0}
    else:
        assert out.read_text("utf-8-sig").splitlines()[1] == "1,a.png,a cat,yes,0.9,ok"
