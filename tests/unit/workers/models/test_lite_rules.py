"""The rules from classes to concepts: the table of what broader words say, contradictions, homonyms."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.models.lite.files import table
from workers.models.lite.lexicon import lexicon
from workers.models.lite.rules import class_rules, inherited

TABLE = Path(__file__).parents[3] / "data" / "lite_rules.txt"
CLASSES: list[list[str]] = table("imagenet_classes.json")["words"]
PROBABLE = 0.5
MADE = ["vehicle", "electronics", "computer", "technology", "furniture", "tool", "weapon", "building", "architecture", "clothing"]
APART = [  # concepts that no class and no object implies together
    ("indoor", ["outdoor", "landscape", "forest", "sea", "lake", "field"]),
    ("outdoor", ["kitchen", "bathroom", "bedroom", "office", "room"]),
    ("food", [*MADE, "laboratory", "industry", "military", "casino", "sport"]),
    ("animal", [*MADE, "food", "game", "sport", "money", "toy", "casino", "kitchen"]),
    ("plant", [*MADE, "industry", "military"]),
    ("boat", ["kitchen", "bathroom", "food", "drink", "furniture", "electronics", "car"]),
    ("military", ["kitchen", "farm", "garden", "drink"]),
    ("car", ["train", "railway", "boat", "airplane"]),
]
TOGETHER = {  # contradictions in words, not in the picture
    "dog sled": {("animal", "vehicle"), ("animal", "sport")},
    "greenhouse": {("plant", "building"), ("plant", "architecture")},
    "restaurant": {("food", "building"), ("food", "architecture")},
}


def test_the_table_of_what_broader_words_say_is_the_reviewed_one() -> None:
    """After a change of the rules: `python -m bench.rules_table`, then read the difference."""
    assert TABLE.read_text("utf-8").splitlines() == inherited(CLASSES)


def test_no_class_and_no_object_contradicts_itself() -> None:
    objects = table("rules.json")["coco"]
    said = {words[0]: {c: i.weight for c, i in class_rules().implied(words).items()} for words in CLASSES}
    found = [
        (name, one, other)
        for name, weights in [*said.items(), *objects.items()]
        for one, others in APART
        for other in others
        if min(weights.get(one, 0.0), weights.get(other, 0.0)) >= PROBABLE and (one, other) not in TOGETHER.get(name, set())
    ]
    assert not found, found


@pytest.mark.parametrize(
    ("name", "concepts"),
    [
        ("coffee mug", "boat outdoor"),
        ("vase", "boat outdoor"),
        ("sink", "boat outdoor"),
        ("bubble", "sport game"),
        ("komodo dragon", "electronics computer indoor"),
        ("park bench", "indoor"),
        ("freight car", "car automobile"),
        ("petri dish", "food meal"),
        ("hay", "food meal indoor"),
        ("sawmill", "plant nature"),
        ("vending machine", "casino gambling game"),
        ("partridge", "game"),
        ("rain barrel", "military war"),
        ("meatloaf", "bread bakery"),
        ("acorn", "food fruit"),
        ("seat belt", "clothing"),
        ("toy terrier", "toy game"),
        ("website", "indoor office"),
    ],
    ids=lambda value: value if value.isalpha() else None,
)
def test_a_homonym_says_nothing_of_another_thing(name: str, concepts: str) -> None:
    words = lexicon()
    row = next(row for row, some in enumerate(CLASSES) if some[0] == name)
    for concept in concepts.split():
        column = words.concept_index.get(concept)
        assert column is None or words.rules[row, column] < 0.35, concept


def test_an_exception_names_a_rule_and_a_class_that_it_would_be_for() -> None:
    for word, others in class_rules().not_under.items():
        assert word in class_rules().of_words
        for other in others:
            assert any(word in some and other in some for some in CLASSES), (word, other)
