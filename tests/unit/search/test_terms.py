"""The words by which an asset is found."""

from __future__ import annotations

import pytest

from tagger.annotation import Annotation, Tag, Verdict
from tagger.asset import Context
from tagger.catalog.vocabulary_file import built_in
from tagger.search.terms import query_words, terms_of, words
from tagger.services.search.words import read_query

PUBLISH = Verdict(action="publish")


def annotation(field: str, value: object, *, text: str | None = None, verdict: Verdict = PUBLISH) -> Annotation:
    return Annotation(
        field=field, locale="en", value=value, score=0.9, model="m@1", rules=(), verdict=verdict, text=text  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "stored", "asked"),
    [
        ("A Tabby cat, on the red sofa", ["tabby", "cat", "red", "sofa"], ["tabby", "cat", "red", "sofa"]),
        ("CAFÉ café", ["café"], ["café"]),
        ("黄色建筑", ["黄", "色", "建", "筑", "黄色", "色建", "建筑"], ["黄色", "色建", "建筑"]),
        ("猫 cat", ["猫", "cat"], ["猫", "cat"]),
        ("iPhone手机", ["iphone", "手", "机", "手机"], ["iphone", "手机"]),
        ("…!", [], []),
    ],
)
def test_words(text: str, stored: list[str], asked: list[str]) -> None:
    assert (words(text), query_words(text)) == (stored, asked)


def test_the_terms_of_an_asset() -> None:
    tags = annotation("tags", (Tag(id="cat", label="Tabby cat", score=0.9),), text="OPEN")
    hidden = annotation("caption", "A weapon", verdict=Verdict(action="suppress"))
    found = terms_of([annotation("alt_text", "Cat asleep"), tags, hidden], Context(title="Holiday"))
    assert set(found) == {
        ("text", "cat"), ("text", "asleep"), ("text", "holiday"), ("tag", "cat"), ("label", "tabby"), ("label", "cat"),
        ("picture", "open"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "tags"), [("a kitty", {"cat"}), ("猫在沙发上", {"cat"}), ("CAT!", {"cat"}), ("category", set()), ("", set())]
)
def test_a_query_names_terms_by_any_label_or_synonym(text: str, tags: set[str]) -> None:
    found = set(read_query(text, built_in("general")).tags)
    assert tags <= found
    assert ("cat" in found) == bool(tags)
