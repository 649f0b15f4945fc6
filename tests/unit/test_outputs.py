"""A file that is there already is somebody's: no command writes over it unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tagger.cli.main import app
from tagger.cli.outputs import check_free
from tagger.demo.sheet import is_sheet, write_sheet
from tagger.errors import BadRequest
from tagger.services.renditions import Renditions
from tagger.settings import load

PHOTOS = str(Path(__file__).parents[2] / "tagger" / "demo" / "photos")
LABELS = str(Path(__file__).parents[1] / "data" / "photos.csv")


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["describe", PHOTOS, "--out", "{}/o.csv"], "o.csv"),
        (["describe", PHOTOS, "--out", "{}/o.xlsx"], "o.xlsx"),
        (["check", LABELS, "--out", "{}/o.csv"], "o.csv"),
        (["evaluate", "--images", PHOTOS, "--labels", LABELS, "--out", "{}"], "results.json"),
        (["evaluate", "--images", PHOTOS, "--labels", LABELS, "--out", "{}"], "report.html"),
        (["demo", "--out", "{}/page.html"], "page.html"),
        (["vocabulary", "export", "general", "{}/o.yaml"], "o.yaml"),
    ],
)
def test_a_file_of_that_name_stays_without_force(tmp_path: Path, command: list[str], file: str) -> None:
    (tmp_path / file).write_text("words that somebody corrected by hand")
    done = CliRunner().invoke(app, [part.format(tmp_path) for part in command])
    assert isinstance(done.exception, BadRequest)
    assert str(done.exception) == f"{tmp_path / file} exists already."
    assert "--force" in done.exception.info().remedy
    assert (tmp_path / file).read_text() == "words that somebody corrected by hand"


def test_a_contact_sheet_may_replace_an_earlier_one(tmp_path: Path) -> None:
    write_sheet([], "lead", tmp_path / "sheet.html", Renditions(load({})))
    assert is_sheet(tmp_path / "sheet.html")
    assert not is_sheet(tmp_path / "none.html")


def test_force_writes_over_it(tmp_path: Path) -> None:
    (tmp_path / "o.yaml").write_text("old")
    check_free(tmp_path / "o.yaml", force=True)
    done = CliRunner().invoke(app, ["vocabulary", "export", "general", str(tmp_path / "o.yaml"), "--force"])
    assert done.exit_code == 0, done.output
    assert "vocabulary: general" in (tmp_path / "o.yaml").read_text()
