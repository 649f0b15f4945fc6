"""Composed captions: what they say of a picture, what they leave to a person, and what they never say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tagger.asset import PictureKind
from tagger.prediction import CaptionPrediction, ClassScore, DetectedObject, KindScore, Look, Pixels, Prediction
from workers.models.lite.captions.compose import caption

LEFT, RIGHT, LARGE = (0.05, 0.3, 0.4, 0.95), (0.6, 0.3, 0.95, 0.95), (0.0, 0.05, 0.9, 1.0)
GREY = (128, 128, 128)
Thing = tuple[str, float, tuple[float, float, float, float]]


def seen(
    classes: dict[str, float] | None = None,
    *objects: Thing,
    kind: PictureKind = "photograph",
    sure: float = 1.0,
    cues: dict[str, float] | None = None,
    **look: Any,
) -> Prediction:
    flags = dict.fromkeys(("warm", "cold", "bright", "dark", "black_and_white", "uniform"), False)
    return Prediction(
        width=640,
        height=480,
        classes=tuple(ClassScore(label=label, score=score) for label, score in (classes or {}).items()),
        objects=tuple(DetectedObject(label=label, score=score, box=box) for label, score, box in objects),
        kinds=(KindScore(kind=kind, score=sure),),
        look=Look(**{"dominant": (), "cues": tuple((cues or {}).items()), **flags, **look}),
    )


def thumb(*areas: tuple[tuple[float, float, float, float], tuple[int, int, int]], ground: tuple[int, int, int] = GREY) -> Pixels:
    """64 × 64 pixels of one colour, with areas of others."""
    made = np.full((64, 64, 3), ground, np.uint8)
    for (x0, y0, x1, y1), colour in areas:
        made[int(64 * y0) : int(64 * y1), int(64 * x0) : int(64 * x1)] = colour
    return made


def said(prediction: Prediction, pixels: Pixels | None = None) -> CaptionPrediction:
    made = caption(prediction, thumb() if pixels is None else pixels, "lite-composed@0")
    assert made is not None
    return made


def nothing(prediction: Prediction) -> bool:
    return caption(prediction, thumb(), "lite-composed@0") is None


def test_a_sure_class_is_named() -> None:
    made = said(seen({"espresso": 0.93}))
    assert (made.text, made.specific, made.model) == ("an espresso", True, "lite-composed@0")
    assert made.text_in("zh") == "一杯浓缩咖啡"
    assert made.text_in("fr") is None


def test_unsure_classes_give_the_word_that_they_share() -> None:
    made = said(seen({"tabby cat": 0.45, "Egyptian Mau": 0.4}, ("cat", 0.8, LARGE)))
    assert (made.text, made.specific) == ("a cat", True)


def test_what_only_one_model_sees_is_left_to_a_person() -> None:
    """The detector knows cats, so without a box there may be two. The classifier has no class of cakes, and saw a helmet."""
    assert not said(seen({"tabby cat": 0.45, "Egyptian Mau": 0.4})).specific
    alone = said(seen({"tabby cat": 0.95}))
    assert (alone.specific, alone.agreed) == (False, False)
    assert not said(seen({"crash helmet": 0.47, "comic book": 0.2}, ("cake", 0.65, LARGE))).specific


def test_two_kinds_of_an_animal_give_the_wider_word_and_never_the_detectors_other_animal() -> None:
    made = said(seen({"wallaby": 0.4, "wombat": 0.3}, ("cat", 0.7, LARGE)))
    assert (made.text, made.text_in("zh")) == ("a marsupial", "一只有袋动物")


def test_some_names_take_no_article_and_capitals_are_not_said() -> None:
    assert said(seen({"wool": 0.95})).text == "wool"
    assert said(seen({"traffic or street sign": 0.95})).text == "a street sign"
    assert said(seen({"Pekingese": 0.95})).text == "a dog"


def test_a_word_that_only_one_class_has_needs_more() -> None:
    """Pictures of unknown things land in single classes: a board with chips was "a modem" at 0.72."""
    assert nothing(seen({"modem": 0.72, "hard disk drive": 0.15}))


@pytest.mark.parametrize(
    "classes", [{"tabby cat": 0.3, "borzoi": 0.3, "zebra": 0.3}, {"Petri dish": 0.3, "mashed potatoes": 0.5}, {}]
)
def test_a_general_word_is_never_published(classes: dict[str, float]) -> None:
    made = caption(seen(classes), thumb(), "lite-composed@0")
    assert made is None or not made.specific


def test_persons_are_counted_and_never_described() -> None:
    three = [("person", 0.9, (x, 0.2, x + 0.25, 0.95)) for x in (0.0, 0.3, 0.6)]
    made = said(seen({"military uniform": 0.9}, *three))
    assert (made.text, made.text_in("zh")) == ("three people", "三个人")
    assert said(seen({"bridegroom": 0.4}, ("person", 0.9, LARGE), ("tie", 0.9, (0.4, 0.5, 0.45, 0.7)))).text == (
        "a portrait of a person"
    )
    by_class = said(seen({"bridegroom": 0.95}))
    assert (by_class.text, by_class.specific) == ("a person", False)


def test_a_person_alone_is_left_to_a_person() -> None:
    assert not said(seen({}, ("person", 0.9, LEFT))).specific


def test_who_may_be_one_of_several_is_not_counted() -> None:
    unsure = said(seen({}, ("person", 0.9, LEFT), ("person", 0.42, RIGHT)))
    alone = said(seen({}, ("person", 0.9, LEFT)))
    assert (unsure.text, unsure.score < 0.8 < alone.score) == ("a person", True)
    some = said(seen({}, ("person", 0.9, LEFT), ("person", 0.9, RIGHT), ("person", 0.42, (0.4, 0.1, 0.58, 0.9))))
    assert (some.text, some.text_in("zh")) == ("people", "几个人")


def test_what_a_person_holds_and_black_and_white() -> None:
    made = said(seen({"tripod": 0.94}, ("person", 0.9, LEFT), black_and_white=True))
    assert (made.text, made.specific) == ("a person with a tripod, in black and white", True)
    assert made.text_in("zh") == "一个人和一个三脚架，黑白照片"


def test_clothes_have_a_colour_where_most_of_them_have_it() -> None:
    person = seen({}, ("person", 0.95, LARGE))
    made = said(person, thumb((LARGE, (240, 110, 10))))
    assert (made.text, made.text_in("zh"), made.specific) == ("a person in orange", "一个穿橙色衣服的人", True)
    assert said(person, thumb((LARGE, (224, 172, 140)))).text == "a person", "skin and wood are no orange"
    small = seen({}, ("person", 0.95, LEFT))
    assert said(small, thumb((LEFT, (20, 20, 40)), ground=(200, 180, 220))).text == "a person in dark clothing"
    assert said(person, thumb((LARGE, (20, 20, 40)), ground=(30, 30, 30))).text == "a person against a dark background"


def test_a_second_thing_stands_where_its_box_stands() -> None:
    car = {"sports car": 0.5, "race car": 0.45}
    made = said(seen(car, ("car", 0.8, LEFT), ("bench", 0.85, RIGHT)))
    assert (made.text, made.text_in("zh")) == ("a bench beside a grey car", "一辆灰色的汽车旁的一张长椅")
    bus = seen({"minibus": 0.9}, ("bus", 0.9, (0.0, 0.1, 1.0, 0.9)), ("person", 0.9, (0.2, 0.3, 0.4, 0.95)))
    assert said(bus, thumb(((0.0, 0.1, 1.0, 0.9), (20, 40, 220)))).text == "a person in blue in front of a blue bus"


def test_a_flower_has_the_colour_of_its_petals() -> None:
    made = said(seen({"daisy": 0.8}), thumb(((0.2, 0.2, 0.8, 0.8), (250, 220, 10)), ground=(10, 10, 10)))
    assert made.text == "a close-up of a yellow flower against a dark background"
    assert made.text_in("zh") == "深色背景前的一朵黄色的花的特写"
    assert said(seen({"daisy": 0.8}), thumb(ground=(60, 140, 40))).text == "a flower against a green background"


def test_a_place_is_published_only_with_more_than_its_name() -> None:
    palace = {"palace": 0.6, "monastery": 0.35}
    assert not said(seen(palace)).specific
    sky = thumb(((0, 0, 1, 0.6), (70, 130, 230)), ((0.2, 0.3, 0.8, 1.0), (230, 200, 60)))
    made = said(seen(palace, cues={"blue_sky": 1.0}, dominant=(("blue", 0.5),)), sky)
    assert (made.text, made.specific) == ("a yellow building under a blue sky", True)
    assert made.text_in("zh") == "蓝天下的一座黄色的建筑"


def test_a_blue_wall_is_no_sky() -> None:
    made = said(seen({"tabby cat": 0.9}, cues={"blue_sky": 1.0}), thumb(((0, 0, 1, 0.6), (70, 130, 230))))
    assert made.text == "a tabby cat"


def test_a_large_thing_that_is_left_out_makes_the_caption_unsure() -> None:
    dog = {"borzoi": 0.5, "Saluki": 0.4}
    alone = said(seen(dog, ("dog", 0.6, LEFT)))
    beside = said(seen(dog, ("dog", 0.6, LEFT), ("horse", 0.53, RIGHT)))
    assert (alone.text, beside.text) == ("a dog", "a dog")
    assert beside.score < 0.8 < alone.score


def test_a_thing_that_only_the_detector_sees_is_left_to_a_person() -> None:
    """The classifier knows airplanes and gives them nothing."""
    alone = said(seen({"spider web": 0.6, "airliner": 0.001}, ("airplane", 0.9, LEFT)))
    assert (alone.text, alone.specific) == ("an airplane", False)
    agreed = said(seen({"airliner": 0.3, "airplane wing": 0.1}, ("airplane", 0.9, LEFT)))
    assert (agreed.text, agreed.specific) == ("an airplane", True)


def test_a_class_that_the_detector_overrules_is_left_to_a_person() -> None:
    assert not said(seen({"airliner": 0.9}, ("dog", 0.6, LARGE))).specific


def test_of_a_chart_only_its_kind_is_said() -> None:
    chart = said(seen({"oscilloscope": 0.98}, ("tv", 0.9, LARGE), kind="chart"))
    assert (chart.text, chart.text_in("zh"), chart.specific) == ("a chart", "图表", False)
    assert nothing(seen({"oscilloscope": 0.98}, kind="icon"))


def test_what_may_not_be_a_photograph_is_left_to_a_person() -> None:
    assert not said(seen({"espresso": 0.95}, sure=0.4)).specific


def test_nothing_sure_says_nothing() -> None:
    assert nothing(seen({"golf ball": 0.12, "bubble": 0.08}))
    assert nothing(seen())
