"""Tables as people's programs save them, for labels and for pairs; and files by the names that a table gives them."""

from __future__ import annotations

import contextlib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tagger.cli.commands.evaluate import _placed, _tuned
from tagger.errors import BadRequest, LabelsInvalid
from tagger.evaluation import ground_truth
from tagger.services import check_texts
from tagger.tables import table_file

NFC, NFD = unicodedata.normalize("NFC", "Noël.png"), unicodedata.normalize("NFD", "Noël.png")
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [False, True])
def test_the_same_table_is_read_however_it_was_saved(encoding: str, delimiter: str, newline: str, mark: bool) -> None:
    lines = [["File", "true_tags", "caption"], ["Noël.png", "cat", f'"A cat{delimiter} asleep."'], ["b.png", "dog cat", ""]]
    text = newline.join(delimiter.join(line) for line in lines) + newline
    named = encoding if encoding == "windows-1252" else None
    made = ground_truth.parse(((f"sep={delimiter}{newline}" if mark else "") + text).encode(encoding), encoding=named)
    assert made.files == ("Noël.png", "b.png")
    assert made.tags["b.png"] == {"dog", "cat"}
    assert made.captions == {"Noël.png": (f"A cat{delimiter} asleep.",)}


def test_a_fault_below_a_mark_is_told_with_the_files_own_line() -> None:
    with pytest.raises(LabelsInvalid, match="line 3, column 1: the file name is missing"):
        ground_truth.parse(b"sep=;\nfile;true_tags\n;cat\n")


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (b"\n\r\n,,\nfile,true_tags\na.png,cat\n", [5]),
        (b"sep=;\n;\nfile;true_tags\na.png;cat\n", [4]),
        (b'file,true_tags\n\n , \n,,,\n"",""\na.png,cat\n,\n', [6]),
        (b"file,true_tags\na.png,cat\n\x1a", [2]),
    ],
    ids=["above the heading", "below the mark", "between and behind", "the end of an old file"],
)
def test_rows_without_any_text_are_no_rows(raw: bytes, lines: list[int]) -> None:
    """Spreadsheets save the rows that somebody emptied."""
    table = table_file.read(raw, ("file", "true_tags"), source="t.csv", fault=LabelsInvalid)
    assert [(line.number, line.cells["file"]) for line in table.lines] == [(number, "a.png") for number in lines]


def test_a_table_of_nothing_but_empty_lines_is_told_at_once() -> None:
    with pytest.raises(LabelsInvalid, match="the column `file` is missing"):
        table_file.read(b",\n" * 500_000 + b"," * 500_000, ("file",), source="t.csv", fault=LabelsInvalid)


def test_an_old_spreadsheet_is_told_as_one_too() -> None:
    with pytest.raises(LabelsInvalid, match="is a spreadsheet"):
        table_file.read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), ("file",), source="t.xls", fault=LabelsInvalid)


def test_pairs_are_read_as_a_german_spreadsheet_saves_them(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "Noël.png")
    (tmp_path / "pairs.csv").write_bytes("Image;Text\r\nNoël.png;Ein Café, am Abend\r\n".encode("windows-1252"))
    [row] = check_texts.pairs(tmp_path / "pairs.csv", "windows-1252")
    assert (row.text, row.status) == ("Ein Café, am Abend", "")
    assert row.source is not None
    assert row.source.location == str(tmp_path / "Noël.png")


@pytest.mark.parametrize(("stored", "named"), [(NFD, NFC), (NFC, NFD)])
def test_a_name_finds_its_file_in_either_unicode_form(tmp_path: Path, stored: str, named: str) -> None:
    (tmp_path / stored[:4]).mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / stored[:4] / stored)
    name = f"{named[:4]}/{named}" if len(stored) == len(named) else f"{unicodedata.normalize('NFC', stored[:4])}/{named}"
    (tmp_path / "pairs.csv").write_text(f"image,text\n{name},a cat\n", "utf-8")
    [row] = check_texts.pairs(tmp_path / "pairs.csv")
    assert row.source is not None, row.status
    assert row.source.location == str(tmp_path / stored[:4] / stored)
    told = _placed(tmp_path, ground_truth.parse(f"file,true_tags\n{name},cat\n".encode()))
    assert told.files == (f"{stored[:4]}/{stored}",), "everything behind it uses the file's own name"
    (tmp_path / "tuned.txt").write_text(name, "utf-8")
    assert _tuned(str(tmp_path / "tuned.txt"), told) == list(told.files)


def test_two_files_that_differ_in_their_form_alone_are_told_apart(tmp_path: Path) -> None:
    for name in (NFC, NFD):
        (tmp_path / name).write_bytes(b"x")
    told = _placed(tmp_path, ground_truth.parse(f"file,true_tags\n{NFC},cat\n{NFD},dog\n".encode()))
    assert set(told.files) == {NFC, NFD}
    (tmp_path / NFD).unlink()
    with pytest.raises(LabelsInvalid, match="Two lines name the image"):
        _placed(tmp_path, ground_truth.parse(f"file,true_tags\n{NFC},cat\n{NFD},dog\n".encode()))


def test_a_file_of_names_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tuned.txt").write_bytes(b"\x81\xff")
    with pytest.raises(BadRequest, match="not UTF-8"):
        _tuned(str(tmp_path / "tuned.txt"), ground_truth.parse(b"file,true_tags\na,cat\n"))


@pytest.mark.parametrize(("delimiter", "word"), [(",", "commas"), (";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_the_rest_of_a_text_that_is_not_quoted_is_never_cut_off(tmp_path: Path, delimiter: str, word: str) -> None:
    lines = [["image", "text"], ["a.png", "A car", " on a mat"]]
    (tmp_path / "pairs.csv").write_text("\n".join(map(delimiter.join, lines)), "utf-8")
    with pytest.raises(BadRequest, match=r"pairs\.csv, line 2: there are 3 cells, but the heading has 2\.") as told:
        check_texts.pairs(tmp_path / "pairs.csv")
    assert word in told.value.info().remedy


def test_empty_cells_behind_the_last_column_are_no_fault() -> None:
    assert ground_truth.parse(b"file,true_tags\na.png,cat,, \n").tags == {"a.png": {"cat"}}


@pytest.mark.parametrize("heading", ["file,true_tags,File", "file,true_tags,true_tags", "file,true_tags,caption,Caption"])
def test_a_column_that_is_read_stands_once(heading: str) -> None:
    with pytest.raises(LabelsInvalid, match="line 1: there are two columns `"):
        ground_truth.parse(f"{heading}\na.png,cat,b.png,c\n".encode())


def test_other_columns_may_have_the_same_name() -> None:
    assert ground_truth.parse(b"file,note,true_tags,note,,\na.png,x,cat,y,,\n").tags == {"a.png": {"cat"}}


@given(st.binary(max_size=120))
def test_any_bytes_are_a_table_or_refused(raw: bytes) -> None:
    with contextlib.suppress(BadRequest):
        table_file.read(b"image,text\n" + raw, ("image", "text"), source="x.csv", fault=BadRequest)
    with contextlib.suppress(BadRequest):
        table_file.read(raw, ("image", "text"), source="x.csv", fault=BadRequest)
