"""The reader of YAML files by itself: what it builds, and what it refuses by line and column."""

from __future__ import annotations

import pytest

from tagger.document import read
from tagger.errors import BadRequest
from tagger.yaml_reader import MAX_DEPTH


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
    ("text", "value"), [("0.5", 0.5), ("-3", -3), ("1.0e+3", 1000.0), ("no", "no"), ("true", True), ("~", None)]
)
def test_the_types_of_yaml_1_2(text: str, value: object) -> None:
    assert data(f"a: {text}\n") == {"a": value}
