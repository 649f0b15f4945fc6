"""The file of labels: what is read, and every complaint with its place and remedy."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import LabelsInvalid
from tagger.evaluation.ground_truth import load, parse


def test_tags_and_captions_are_read() -> None:
    made = parse(b"file,width,true_tags,caption,caption_2\nb.jpg,3,cat pet,a cat,\na.jpg,3,,,\n")
    assert made.files == ("a.jpg", "b.jpg")
    assert made.tags == {"b.jpg": frozenset({"cat", "pet"}), "a.jpg": frozenset()}
    assert made.captions == {"b.jpg": ("a cat",)}
    assert made.universe == {"cat", "pet"}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"file,tags\na.jpg,cat\n", r"line 1: the column `true_tags` is missing"),
        (b"", r"line 1: the column `file` is missing"),
        (b"file,true_tags\n", "names no image"),
        (b"file,true_tags\na.jpg,cat\na.jpg,dog\n", "line 3, column 1: `a.jpg` is listed a second time"),
        (b"true_tags,file\ncat,\n", "line 2, column 2: the file name is missing"),
        (b"file,true_tags\n../a.jpg,cat\n", "is outside of the folder"),
        (b"file,true_tags\n/etc/passwd,cat\n", "is outside of the folder"),
        (b"file,true_tags\n\x81,cat\n", "not UTF-8: byte 15 is not valid. The file does not say which encoding it has"),
        (b"\xff\xfef\0i", "cannot be read as UTF-16"),
        (b"PK\x03\x04", "is a spreadsheet"),
        (b'file,true_tags\n"a.jpg,cat\n', "line 2"),
    ],
)
def test_a_fault_is_named_with_its_place_and_remedy(raw: bytes, why: str) -> None:
    with pytest.raises(LabelsInvalid, match=why) as caught:
        parse(raw)
    assert caught.value.info().remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelsInvalid, match="cannot be read"):
        load(tmp_path / "none.csv")


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: b"file,true_tags\n" + tail))
def test_any_bytes_are_read_or_refused_with_a_remedy(raw: bytes) -> None:
    with contextlib.suppress(LabelsInvalid):
        assert parse(raw).files
