"""Template captions: what they say, and what they never say."""

from __future__ import annotations

import pytest

from tagger.prediction import CaptionPrediction, ClassScore, DetectedObject
from workers.models.lite.caption import caption, counted, plain, plural, with_article
from workers.models.lite.lexicon import lexicon

WORDS = {name: lexicon().words[i] for name, i in lexicon().class_index.items()}


def said(classes: dict[str, float], *objects: tuple[str, float]) -> CaptionPrediction | None:
    seen = [ClassScore(label=label, score=score) for label, score in classes.items()]
    things = [DetectedObject(label=label, score=score, box=(0, 0, 0.5, 0.5)) for label, score in objects]
    return caption(seen, things, WORDS, "lite-template@0")


def test_a_sure_class_is_named() -> None:
    made = said({"espresso": 0.93})
    assert made is not None
    assert (made.text, made.specific, made.model) == ("an espresso", True, "lite-template@0")
    assert made.score == pytest.approx(0.93)


def test_an_unsure_class_gives_its_wider_word() -> None:
    made = said({"tabby cat": 0.45, "Egyptian Mau": 0.4})
    assert made is not None
    assert (made.text, made.specific) == ("a cat", True)


def test_what_is_only_likely_is_left_to_a_person() -> None:
    made = said({"daisy": 0.69})
    assert made is not None
    assert not made.specific
    assert made.score == pytest.approx(0.69)


def test_a_broad_word_is_never_specific() -> None:
    made = said({"palace": 0.5, "library": 0.45})
    assert made is not None
    assert (made.text, made.specific) == ("a building", False)


def test_nothing_sure_says_nothing() -> None:
    assert said({"planetarium": 0.47, "solar thermal collector": 0.07}) is None
    assert said({}) is None


def test_persons_are_counted_and_never_described() -> None:
    made = said({"military uniform": 0.9}, ("person", 0.9), ("person", 0.8), ("person", 0.7), ("bus", 0.9))
    assert made is not None
    assert made.text == "three people with a bus"
    one = said({"bridegroom": 0.4}, ("person", 0.9), ("tie", 0.9))
    assert one is not None
    assert one.text == "a person"
    assert said({"bridegroom": 0.95}) is None


def test_numbers_in_words() -> None:
    assert counted(1, "person") == "a person"
    assert counted(10, "bus") == "ten buses"
    assert counted(11, "person") == "many people"
    assert counted(2, "skis") == "two pairs of skis"
    assert counted(3, "broccoli") == "broccoli"


@pytest.mark.parametrize(
    ("one", "many"), [("bus", "buses"), ("sheep", "sheep"), ("knife", "knives"), ("couch", "couches"), ("berry", "berries")]
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


@pytest.mark.parametrize(
    ("noun", "text"),
    [("apple", "an apple"), ("unicycle", "a unicycle"), ("jeans", "jeans"), ("bus", "a bus"), ("espresso", "an espresso")],
)
def test_articles(noun: str, text: str) -> None:
    assert with_article(noun) == text


def test_class_names_as_one_would_say_them() -> None:
    assert plain("kite (bird of prey)") == "kite"
    assert plain("baluster / handrail") == "baluster"
    assert plain("gas mask or respirator") == "gas mask"
