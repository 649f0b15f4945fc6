"""The reader of YAML files by itself: what it builds, and what it refuses by line and column."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tagger.catalog import vocabulary_file
from tagger.catalog.vocabulary import Category, Term, Vocabulary
from tagger.catalog.yaml_document import read
from tagger.catalog.yaml_reader import CONTROL, MAX_DEPTH, MAX_PROBLEMS, MAX_VALUES
from tagger.errors import BadRequest, VocabularyInvalid

GOOD = "vocabulary: v\nversion: 1\ncategories: {c: {terms: {t: {labels: {en: x}}}}}\n"


def data(text: str) -> object:
    return read(text, source="file.yaml", fault=BadRequest).data


def refused(text: str) -> str:
    with pytest.raises(BadRequest) as caught:
        data(text)
    return str(caught.value)


def test_an_alias_is_refused_where_it_stands_however_little_it_stands_for() -> None:
    assert "line 2, column 4: an alias (`*name`) is not allowed" in refused("a: &x [1]\nb: *x\n")
    bomb = "a: &a [1,1]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert "an alias" in refused(bomb)


def test_an_alias_in_a_list_is_refused_where_it_stands() -> None:
    assert "line 2, column 8: an alias" in refused("a: &x 1\nb: [2, *x]\n")


def test_a_scalar_behind_an_alias_is_refused_too() -> None:
    assert "an alias" in refused("a: &x one\nb: *x\n")


@pytest.mark.parametrize("opening", ["[", "{k: "])
def test_nesting_is_read_up_to_its_limit_and_refused_beyond(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    inside = MAX_DEPTH - 1  # below the mapping at the top
    assert data("a: " + opening * inside + "1" + closing * inside + "\n")
    assert "nesting is too deep" in refused("a: " + opening * MAX_DEPTH + "1" + closing * MAX_DEPTH + "\n")


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", ".NaN", "1.0e+999", "-1.0e+999"])
def test_a_number_that_is_none_is_refused_by_name(number: str) -> None:
    assert f"line 1, column 4: `{number}` cannot be read as a value here" in refused(f"a: {number}\n")


@pytest.mark.parametrize(
    "number", ["0x" + "f" * 5_000, "9" * 5_000, "-" + "9" * 25, "0o" + "7" * 40, "1e400", "9" * 301 + ".5e9", "2026-11-21"]
)
def test_an_odd_scalar_is_refused_by_name_and_not_printed_whole(number: str) -> None:
    said = refused(f"a: {number}\n")
    assert f"line 1, column 4: `{number[:20]}" in said
    assert "cannot be read as a value here" in said
    assert len(said) < 200


def test_a_control_character_in_a_text_is_refused() -> None:
    for escape in ("\\0", "\\a", "\\e[31m", "\\x7f", "\\x9b"):
        assert "holds a control character" in refused(f'a: "x{escape}y"\n')
    assert data('a: "x\\ny\\tz"\n') == {"a": "x\ny\tz"}


def test_a_file_of_faults_is_not_complained_of_for_ever() -> None:
    with pytest.raises(BadRequest) as caught:
        data("a: [" + "2026-11-21," * 100_000 + "]")
    assert len(caught.value.errors) == MAX_PROBLEMS
    with pytest.raises(VocabularyInvalid) as found:
        vocabulary_file.parse(GOOD + "".join(f"k{n}: 1\n" for n in range(100_000)))
    assert len(found.value.errors) == MAX_PROBLEMS


def test_more_values_than_a_vocabulary_has_are_refused_at_once() -> None:
    for text in ("a: [" + "1," * MAX_VALUES + "1]", "".join(f"k{n}: 1\n" for n in range(MAX_VALUES))):
        assert "holds more than 200,000 values" in refused(text)


def test_a_second_document_is_refused() -> None:
    assert "line 2, column 1: a second document" in refused("a: 1\n---\nb: 2\n")


SCALARS = st.text(alphabet="0123456789.-+eExXoOabfnNy~_:,[]{}&*!|>'\"%@`#?= \n\t\r\0\x85\u2028\ufeffé猫", max_size=40)
PLACES = st.sampled_from(["version: {}", "vocabulary: {}", "categories: {{c: {{max: {}}}}}", "{}"])


@settings(max_examples=300, deadline=None)
@given(SCALARS | st.text(max_size=20), PLACES, st.sampled_from(["utf-8", "utf-16", "latin-1"]))
def test_any_scalar_is_read_or_refused(scalar: str, place: str, encoding: str) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith(place.partition(":")[0] + ":")]
    text = "\n".join([*lines, place.format(scalar)])
    for form in (text, text.encode(encoding, "replace")):
        with contextlib.suppress(VocabularyInvalid):  # whatever else it raises is no answer
            assert vocabulary_file.parse(form).categories


@given(st.text(max_size=30))
@example("no")
@example("0o17")
@example("1e3")
@example("2026-11-21")
@example("1_000")
@example("<<")
@example("a\x85b")
@example("a\u2028b")
@example("a\nb")
def test_what_is_written_is_read_again(text: str) -> None:
    """Whatever a text looks like: a number, a date, a word that older YAML took for a boolean."""
    if CONTROL.search(text):
        return
    term = Term(id="t", labels={"en": text})
    known = Vocabulary(name="v", version=1, categories=(Category(id="c", terms=(term,)),))
    written: Any = data(vocabulary_file.dump(known))
    assert written["categories"]["c"]["terms"]["t"]["labels"]["en"] == text


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", 0.5), ("-3", -3), ("1.0e+3", 1000.0), ("no", "no"), ("true", True), ("~", None)]
)
def test_the_types_of_yaml_1_2(text: str, value: object) -> None:
    assert data(f"a: {text}\n") == {"a": value}
