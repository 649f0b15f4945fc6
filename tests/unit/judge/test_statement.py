"""What may be checked against an image: English, and warned about where no pixel can tell."""

from __future__ import annotations

import pytest

from tagger.errors import BadRequest, UnsupportedLanguage
from tagger.judge.hypothesis import check, is_english, unseeable

ENGLISH = (
    "a red car on the street",
    "two dogs",
    "cat",
    "A man in a café is reading",
    "Naïve art on a wall",
    "The Eiffel Tower at night",
    "Woman wearing a jalapeño costume",
    "people die in the street",
    "an iPhone 15 on a desk",
    "crème brûlée on a white plate",
)
FOREIGN = (
    "一只猫坐在红色沙发上",
    "кот на диване",
    "قطة على الأريكة",
    "eine Katze auf dem Sofa",
    "un chat sur le canapé",
    "un gato en el sofá",
    "un gatto sul divano",
    "um gato no sofá com uma bola",
    "een kat op het bed",
    "en katt på soffan",
    "猫 cat 沙发",
    "12345",
)


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_taken(text: str) -> None:
    assert is_english(text)


@pytest.mark.parametrize("text", FOREIGN)
def test_other_languages_are_refused(text: str) -> None:
    with pytest.raises(UnsupportedLanguage) as caught:
        check(text)
    assert caught.value.code == "unsupported_language"


def test_words_that_no_pixel_can_show_are_named() -> None:
    assert unseeable("A premium, handmade leather bag") == ("premium", "handmade")
    assert check("a leather bag on a table") == ()


@pytest.mark.parametrize("text", ["", "  \n", "a " * 400])
def test_nothing_and_too_much_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        check(text)
