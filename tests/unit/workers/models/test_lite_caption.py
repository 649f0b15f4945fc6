"""Template captions: what they say, and what they never say."""

from __future__ import annotations

import pytest

from tagger.asset import PictureKind
from tagger.prediction import CaptionPrediction, ClassScore, DetectedObject, KindScore, Prediction
from workers.models.lite.caption import caption, counted, plain, plural, with_article
from workers.models.lite.lexicon import lexicon

WORDS = {name: lexicon().words[i] for name, i in lexicon().class_index.items()}


def seen(
    classes: dict[str, float], *objects: tuple[str, float], kind: PictureKind = "photograph", sure: float = 1.0
) -> Prediction:
    return Prediction(
        width=640,
        height=480,
        classes=tuple(ClassScore(label=label, score=score) for label, score in classes.items()),
        objects=tuple(DetectedObject(label=label, score=score, box=(0, 0, 0.5, 0.6)) for label, score in objects),
        kinds=(KindScore(kind=kind, score=sure),),
    )


def said(classes: dict[str, float], *objects: tuple[str, float]) -> CaptionPrediction | None:
    return caption(seen(classes, *objects), WORDS, "lite-template@0")


def test_a_sure_class_is_named() -> None:
    made = said({"espresso": 0.93})
    assert made is not None
    assert (made.text, made.specific, made.model) == ("an espresso", True, "lite-template@0")


def test_an_unsure_class_gives_its_wider_word() -> None:
    made = said({"tabby cat": 0.45, "Egyptian Mau": 0.4})
    assert made is not None
    assert (made.text, made.specific) == ("a cat", True)


def test_what_is_only_likely_is_left_to_a_person() -> None:
    made = said({"daisy": 0.69})
    assert made is not None
    assert not made.specific


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


def test_a_thing_that_only_the_detector_sees_is_left_to_a_person() -> None:
    """The classifier knows airplanes and gives them nothing."""
    alone = said({"spider web": 0.6, "airliner": 0.001}, ("airplane", 0.9))
    assert alone is not None
    assert (alone.text, alone.specific) == ("an airplane", False)
    agreed = said({"airliner": 0.3, "airplane wing": 0.1}, ("airplane", 0.9))
    assert agreed is not None
    assert (agreed.text, agreed.specific) == ("an airplane", True)


def test_a_class_that_the_detector_overrules_is_left_to_a_person() -> None:
    made = said({"airliner": 0.9}, ("dog", 0.6))
    assert made is not None
    assert not made.specific


def test_of_a_chart_only_its_kind_is_said() -> None:
    chart = caption(seen({"oscilloscope": 0.98}, ("tv", 0.9), kind="chart"), WORDS, "lite-template@0")
    assert chart is not None
    assert (chart.text, chart.specific) == ("a chart", False)
    assert caption(seen({"oscilloscope": 0.98}, kind="icon"), WORDS, "lite-template@0") is None


def test_what_may_not_be_a_photograph_is_left_to_a_person() -> None:
    made = caption(seen({"espresso": 0.95}, sure=0.4), WORDS, "lite-template@0")
    assert made is not None
    assert not made.specific
