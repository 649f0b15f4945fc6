"""The alt-text rules about people, claims and facts: A13, A14, A15."""

from __future__ import annotations

from typing import Any

import pytest

from tagger.alttext.rules import alt_text
from tagger.alttext.types import Cleaned, Facts
from tagger.asset import Context

READ = Context(contains_text=False)  # a person has said that no text is in the picture


def alt(text: str, locale: str = "en", **more: Any) -> Cleaned:
    return alt_text(text, **{"locale": locale, "context": READ, **more})


@pytest.mark.parametrize(
    "text",
    [
        "an old man on a bench",
        "a young black woman at a desk",
        "a blind person with a dog",
        "a mother with a child",
        "a person with her",
        "she is riding a horse with a person",
        "a group of asian tourists",
        "the elderly at a table",
        "a female on a bench",
    ],
)
def test_a13_what_cannot_be_made_neutral_goes_to_a_person(text: str) -> None:
    out = alt(text)
    assert out.action == "review"
    assert "describes_person" in out.reasons


@pytest.mark.parametrize(
    "text", ["an old house", "a young dog", "a black car", "a Chinese lantern", "window blinds", "a dog with his ball"]
)
def test_a13_leaves_things_and_animals_alone(text: str) -> None:
    assert alt(text).action == "publish"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("the view is stunning", "praise"),
        ("a dog that appears to be asleep", "hedged"),
        ("a shape that might be a boat", "hedged"),
        ("portrait of Barack Obama", "name_not_in_context"),
        ("a dog named Rex on a bed", "name_not_in_context"),
        ("President Lincoln at a desk", "name_not_in_context"),
    ],
)
def test_a14_what_cannot_be_stripped_goes_to_a_person(text: str, reason: str) -> None:
    out = alt(text)
    assert (out.action, reason in out.reasons) == ("review", True)


def test_a14_a_name_that_the_context_supplies_may_stay() -> None:
    context = Context(contains_text=False, title="Grace Hopper, computer pioneer")
    assert alt("portrait of Grace Hopper in uniform", context=context).action == "publish"


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("a cat on a sofa", "zh-Hans"),
        ("一只猫在沙发上", "en"),
        ("一隻貓在樹葉間", "zh-Hans"),
        ("一只猫在树叶间", "zh-Hant"),
        ("a cat", "ru"),
        ("кошка", "en"),
    ],
)
def test_a15_the_script_must_fit_the_locale(text: str, locale: str) -> None:
    assert "wrong_script" in alt(text, locale).reasons


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("桌上的 iPhone 手机", "zh-Hans"),
        ("eine Katze auf dem Sofa", "de"),
        ("猫がソファの上にいる", "ja"),
        ("кошка на диване", "ru"),
    ],
)
def test_a15_passes_what_fits(text: str, locale: str) -> None:
    assert "wrong_script" not in alt(text, locale).reasons


@pytest.mark.parametrize(
    ("text", "seen", "fits"),
    [
        ("two dogs on a bed", {"dog": 2}, True),
        ("two dogs on a bed", {"dog": 1}, False),
        ("three small brown dogs", {"dog": 3}, True),
        ("two slices of pizza", {"pizza": 1}, True),
        ("ten people at a table", {"person": 8}, True),
        ("ten people in a room", {"person": 2}, False),
        ("two dogs on a bed", {}, True),
    ],
)
def test_a15_numbers_must_fit_what_was_counted(text: str, seen: dict[str, int], fits: bool) -> None:
    assert ("count_contradicts" not in alt(text, facts=Facts(objects=seen)).reasons) is fits
