"""How probable each term of a vocabulary is: the seam that every embedding model fills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tagger.catalog.vocabulary import Vocabulary
from tagger.prediction import Prediction, TermScore


class Scorer(Protocol):
    """How probable each term of a vocabulary is, given what the models said. Thread-safe."""

    def score(self, prediction: Prediction, vocabulary: Vocabulary) -> Sequence[TermScore]: ...


class LabelScorer:
    """For the fake model: a term is as probable as the class that bears its label."""

    model = "fake-tags@1"

    def score(self, prediction: Prediction, vocabulary: Vocabulary) -> Sequence[TermScore]:
        seen = {c.label: c.score for c in prediction.classes}
        return [
            TermScore(category=category.id, term=term.id, score=seen.get(term.label("en"), 0.0), model=self.model)
            for category, term in vocabulary
        ]
