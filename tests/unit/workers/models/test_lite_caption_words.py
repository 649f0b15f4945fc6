"""The grammar of composed captions, in English and in Chinese."""

from __future__ import annotations

import pytest

from tagger.alttext import rules
from workers.models.lite.captions.chinese import chinese
from workers.models.lite.captions.chinese import phrase as zh_phrase
from workers.models.lite.captions.draft import MANY, Draft, Part
from workers.models.lite.captions.english import english, phrase, plain, plural, with_article
from workers.models.lite.captions.nouns import Noun, all_nouns, noun


def part(word: str, number: int = 1, **more: str) -> Part:
    known = noun(word)
    assert known is not None
    return Part(noun=known, score=1.0, number=number, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("bus", "buses"),
        ("sheep", "sheep"),
        ("couch", "couches"),
        ("butterfly", "butterflies"),
        ("monkey", "monkeys"),
        ("person", "people"),
        ("goose", "geese"),
        ("wine glass", "wine glasses"),
        ("skis", "skis"),
        ("giraffe", "giraffes"),
    ],
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


@pytest.mark.parametrize(
    ("noun_", "text"),
    [
        ("apple", "an apple"),
        ("unicycle", "a unicycle"),
        ("jeans", "jeans"),
        ("orange umbrella", "an orange umbrella"),
        ("red umbrella", "a red umbrella"),
        ("espresso", "an espresso"),
    ],
)
def test_articles(noun_: str, text: str) -> None:
    assert with_article(noun_) == text


def test_class_names_as_one_would_say_them() -> None:
    assert plain("kite (bird of prey)") == "kite"
    assert plain("baluster / handrail") == "baluster"
    assert plain("gas mask or respirator") == "gas mask"


@pytest.mark.parametrize(
    ("of", "en", "zh"),
    [
        (part("person"), "a person", "一个人"),
        (part("person", 2), "two people", "两个人"),
        (part("person", 12), "people", "许多人"),
        (part("bus", MANY), "buses", "几辆公交车"),
        (part("bus", colour="blue"), "a blue bus", "一辆蓝色的公交车"),
        (part("car", 3, colour="red"), "three red cars", "三辆红色的汽车"),
        (part("fruit"), "fruit", "水果"),
        (part("leaf"), "leaves", "叶子"),
        (part("scissors"), "scissors", "一把剪刀"),
        (part("person", worn="dark"), "a person in dark clothing", "一个穿深色衣服的人"),
        (part("espresso", name="espresso"), "an espresso", "一杯浓缩咖啡"),
    ],
)
def test_noun_phrases(of: Part, en: str, zh: str) -> None:
    assert (phrase(of), zh_phrase(of)) == (en, zh)


@pytest.mark.parametrize(
    ("made", "en", "zh"),
    [
        (
            Draft(subject=part("person", 2), second=part("bus"), relation="in front of", score=1),
            "two people in front of a bus",
            "一辆公交车前的两个人",
        ),
        (Draft(subject=part("bee"), shot="close-up", score=1), "a close-up of a bee", "一只蜜蜂的特写"),
        (Draft(subject=part("person"), shot="portrait", score=1), "a portrait of a person", "一个人的肖像"),
        (
            Draft(subject=part("cat"), black_and_white=True, score=1),
            "a cat, in black and white",
            "一只猫，黑白照片",
        ),
        (
            Draft(subject=part("person"), second=part("ball"), setting="on grass", score=1),
            "a person with a ball on grass",
            "草地上的一个人和一个球",
        ),
    ],
)
def test_sentences(made: Draft, en: str, zh: str) -> None:
    assert (english(made), chinese(made)) == (en, zh)


def test_a_word_without_chinese_gives_no_chinese_sentence() -> None:
    assert chinese(Draft(subject=Part(noun=Noun(word="harmonica", zh=None), score=1), score=1)) is None


@pytest.mark.parametrize("known", all_nouns(), ids=lambda known: known.word.replace(" ", "-"))
def test_every_noun_makes_a_text_that_the_rules_keep(known: Noun) -> None:
    """As a caption and as an alt text, in both languages: nothing is cut, nothing is called a repetition or a name."""
    made = Draft(subject=Part(noun=known, score=1, number=2), setting="outdoors", score=1)
    for text, locale in ((english(made), "en"), (chinese(made), "zh-Hans")):
        assert text is not None
        for field in ("caption", "alt_text"):
            cleaned = rules.CLEANERS[field](text, locale=locale)  # type: ignore[index]
            assert cleaned.action == "publish", (text, cleaned)
            assert cleaned.value is not None
            assert cleaned.value.casefold().rstrip(".。") == text.casefold()
