"""The interface of every embedding model that scores the terms of a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tagger.catalog.vocabulary import Vocabulary
from tagger.prediction import Prediction, TermScore


class Scorer(Protocol):
    """The probability of each term of a vocabulary, from the predictions of the models. Thread-safe."""

    def score(self, prediction: Prediction, vocabulary: Vocabulary) -> Sequence[TermScore]: ...

    def prepare(self, vocabulary: Vocabulary) -> None:
        """Does before the first image what that image would otherwise wait for."""


class LabelScorer:
    """For the fake model: the probability of a term is that of the class with the same label."""

    model = "fake-tags@1"

    def score(self, prediction: Prediction, vocabulary: Vocabulary) -> Sequence[TermScore]:
        seen = {c.label: c.score for c in prediction.classes}
        return [
            TermScore(category=category.id, term=term.id, score=seen.get(term.label("en"), 0.0), model=self.model)
            for category, term in vocabulary
        ]

    def prepare(self, vocabulary: Vocabulary) -> None:
        pass
