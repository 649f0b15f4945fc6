"""CIDEr-D against the figures of pycocoevalcap 1.2 on the same tokens, and what must hold for any captions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.evaluation.cider import cider_d, words

CANDIDATES = {"a": "A cat on a red sofa.", "b": "two dogs run on the beach", "c": "a cup of coffee"}
REFERENCES = {
    "a": ["a tabby cat on a red sofa", "a cat sleeps on the sofa"],
    "b": ["two dogs running along the beach"],
    "c": ["a cup of espresso on a table", "a cup of coffee"],
}
CAPTIONS = st.text(st.sampled_from("abcde 猫."), min_size=1, max_size=30)


def test_the_figures_of_the_reference() -> None:
    """pycocoevalcap.cider.cider_scorer.CiderScorer(n=4, sigma=6.0) on these sentences."""
    made = cider_d(CANDIDATES, REFERENCES)
    assert made == pytest.approx({"a": 4.54745201, "b": 2.67373529, "c": 6.56512361})


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert words("A Cat's red-hot sofa, 2 m!") == ["a", "cat's", "red", "hot", "sofa", "2", "m"]


def test_only_images_with_both_are_scored() -> None:
    assert cider_d({"a": "a cat", "z": "a dog"}, {"a": ["a cat"], "b": ["a dog"], "c": []}).keys() == {"a"}


@given(st.dictionaries(st.sampled_from("uvwxyz"), st.tuples(CAPTIONS, st.lists(CAPTIONS, min_size=1, max_size=3)), min_size=1))
def test_a_score_lies_between_0_and_10_and_no_caption_beats_the_reference_itself(told: dict[str, tuple[str, list[str]]]) -> None:
    references = {image: [some[0]] for image, (_, some) in told.items()}
    made = cider_d({image: said for image, (said, _) in told.items()}, references)
    perfect = cider_d({image: some[0] for image, some in references.items()}, references)
    for image, score in made.items():
        assert 0.0 <= score <= 10.0 + 1e-9
        assert score <= perfect[image] + 1e-9
