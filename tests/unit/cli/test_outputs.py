"""No command overwrites an existing file without --force."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tagger.cli.main import app
from tagger.cli.outputs import Output, check_free
from tagger.cli.tables import check_writable
from tagger.cli.unfinished import home_of
from tagger.demo.sheet import is_sheet, write_sheet
from tagger.errors import BadRequest, Conflict
from tagger.services.renditions import Renditions
from tagger.settings import load
from tagger.system import whole_file
from tagger.system.home import lock_home, make_home

PHOTOS = str(Path(__file__).parents[3] / "tagger" / "demo" / "photos")
LABELS = str(Path(__file__).parents[2] / "data" / "photos.csv")


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
    assert str(done.exception) == f"{tmp_path / file} already exists."
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


def test_what_somebody_puts_there_during_the_work_stays_and_the_work_is_not_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Output(place=tmp_path / "o.csv")
    (tmp_path / "o.csv").write_text("my own words")
    (tmp_path / "o-2.csv").write_text("and more of them")
    table.write(b"captions")
    assert (tmp_path / "o.csv").read_text() == "my own words"
    assert (tmp_path / "o-2.csv").read_text() == "and more of them"
    assert table.place == tmp_path / "o-3.csv"
    assert table.place.read_bytes() == b"captions"
    assert "o.csv was written by another program during the run; it was not changed." in "".join(
        capsys.readouterr().err.splitlines()
    )


def test_a_report_that_is_made_again_replaces_itself_until_somebody_works_on_it(tmp_path: Path) -> None:
    report = Output(place=tmp_path / "o.csv", over=True)
    report.write(b"first")
    report.write(b"second")
    assert (tmp_path / "o.csv").read_bytes() == b"second"
    (tmp_path / "o.csv").write_text("second, with notes")
    report.write(b"third")
    report.write(b"fourth")
    assert (tmp_path / "o.csv").read_text() == "second, with notes"
    assert {p.name: p.read_bytes() for p in tmp_path.glob("o-*")} == {"o-2.csv": b"fourth"}


def test_force_follows_a_link_and_keeps_the_permissions(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "real.csv").chmod(0o600)
    (tmp_path / "o.csv").symlink_to("real.csv")
    Output(place=tmp_path / "o.csv", over=True).write(b"new")
    assert (tmp_path / "o.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == b"new"
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o600


def test_no_other_file_is_touched_on_the_way(tmp_path: Path) -> None:
    """The name of the draft was fixed once: a file of that name was emptied, and a link of that name was followed."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".o.csv.part").symlink_to("precious")
    check_writable(tmp_path / "o.csv")
    Output(place=tmp_path / "o.csv").write(b"captions")
    assert (tmp_path / "precious").read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".o.csv.part", "o.csv", "precious"]


def test_a_file_system_without_hard_links_is_written_to_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    whole_file.create(tmp_path / "a", b"a")
    with pytest.raises(FileExistsError):
        whole_file.create(tmp_path / "a", b"b")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"a"]


def test_the_same_command_twice_at_once_says_what_to_do(tmp_path: Path) -> None:
    mine = load({}, home=tmp_path / "home")
    run = home_of(mine, Path(PHOTOS), "general", ("en",))
    make_home(run)
    environment = {**{name: None for name in os.environ if name.startswith("TAGGER_")}, "TAGGER_HOME": str(mine.home)}
    with lock_home(run):
        done = CliRunner().invoke(app, ["describe", PHOTOS, "--out", str(tmp_path / "o.csv")], env=environment)
    assert isinstance(done.exception, Conflict)
    said = done.exception.info()
    assert "Another `tagger describe` of this folder" in said.detail
    assert "Wait until it ends" in said.remedy
    assert run.is_dir(), "the other one still works there"
