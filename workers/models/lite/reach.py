"""Computes P(term | source) and P(term | concept) of a term, once per vocabulary.

They come from a rule where the term is a known concept, else from WordNet, or from the nearness of the term's words to those
of a source or of a concept. See README.md of this package for the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.models.lite.lexicon import Lexicon
from workers.models.lite.thesaurus import HEAD, SAME, thesaurus
from workers.models.lite.words import forms

Floats = npt.NDArray[np.float32]

STEEPNESS, MARGIN, OFFSET = 10.0, 10.0, 7.5  # of the logit of a near-synonym: see `nearness`
LEAST = 0.02  # P(term | source) under which a source says nothing about the term
DOUBT = 0.3  # weight of what only a synonym says, where WordNet knows the label and it says otherwise
REACHED = 0.3  # P from which the label's own meaning counts as something that the models can see
AGREES = 0.6  # cosine to the label from which a synonym is taken in the label's sense


def reach_of(texts: Sequence[str], vectors: Floats, dictionary: Lexicon) -> tuple[Floats, Floats, bool]:
    """Texts of one term and their vectors [n, 384] → P(term | source) [1080], P(term | concept), and whether a rule names it."""
    by_concept = np.zeros(len(dictionary.concepts), np.float32)
    if not texts:
        return np.zeros(len(dictionary.words), np.float32), by_concept, False
    senses = _Senses.of(texts, vectors, len(dictionary.concepts))
    of_sources, of_concepts = senses.related
    of_sources[[bool(senses.wanted & set(words[:1])) for words in dictionary.words]] = 1.0
    of_concepts[dictionary.by_name_only] = 0.0
    named = np.array([concept in senses.wanted for concept in dictionary.concepts])
    same = named if named.any() else of_concepts >= SAME
    if (same & dictionary.complete).any():  # rules say all of it, but for sources that they are silent about
        by_concept[same] = 1.0
        return (of_sources >= SAME) * of_sources * ~dictionary.ruled[:, same].any(axis=1), by_concept, True
    near = senses.near(dictionary)
    # WordNet knows which classes such a word names by their meaning; the bare spelling would also find its homonyms, and
    # words that are only often said together ("underwear" and "clothing") are near each other too.
    spelled = np.array([text in senses.wanted and text in thesaurus().place for text in dictionary.texts])
    of_words = np.where(spelled, 0.0, near) * np.float32(DOUBT if senses.known else 1.0)
    by_source = np.maximum(of_sources, [of_words[rows].max() for rows in dictionary.word_rows]).astype(np.float32)
    by_concept = np.maximum(of_concepts, near[dictionary.concept_rows] * ~dictionary.by_name_only)
    by_concept[same] = 1.0
    by_source[by_source < LEAST] = 0.0
    by_concept[by_concept < LEAST] = 0.0
    return by_source, by_concept, bool(same.any())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Senses:
    """A term's words in the sense of its label: "instrument" beside "musical instrument" is no stethoscope.

    Where WordNet knows the label, what only a synonym reaches counts DOUBT of it; a synonym that is a mere part of the label
    says nothing more. If WordNet does not know the label, the synonyms count fully.
    """

    vectors: Floats  # [n, 384] of the texts that are left, the label first
    believed: Floats  # [n] 1, or DOUBT
    known: bool  # to WordNet: the label
    wanted: frozenset[str]  # forms of the label and of the synonyms that are near it
    related: tuple[Floats, Floats]  # [1080], [concepts] by WordNet

    @classmethod
    def of(cls, texts: Sequence[str], vectors: Floats, concepts: int) -> _Senses:
        known = any(form in thesaurus().place for form in forms(texts[0]))
        parts = set(texts[0].casefold().split()) if known else set()
        kept = [i for i, text in enumerate(texts) if i == 0 or not forms(text) & parts]
        sources, by_concept = thesaurus().related([texts[0]], concepts)
        reached = max(sources.max(initial=0.0), by_concept.max(initial=0.0)) >= REACHED
        near = vectors[kept] @ vectors[0] >= AGREES
        believed = np.where(near | (not known), 1.0, DOUBT).astype(np.float32)
        for i, share in zip(kept[1:], believed[1:], strict=True):
            more = thesaurus().related([texts[i]], concepts)
            trust = DOUBT if known and reached else share
            sources, by_concept = np.maximum(sources, more[0] * trust), np.maximum(by_concept, more[1] * trust)
        wanted = frozenset(form for i, share in zip(kept, believed, strict=True) if share == 1.0 for form in forms(texts[i]))
        return cls(vectors=vectors[kept], believed=believed, known=known, wanted=wanted, related=(sources, by_concept))

    def near(self, dictionary: Lexicon) -> Floats:
        """[texts of the lexicon]: P(same thing) by MiniLM."""
        wider = np.array([_widens(text, self.wanted) for text in dictionary.texts])
        shares = [
            share * nearness(row, float(row[~wider].max()))
            for row, share in zip(self.vectors @ dictionary.vectors.T, self.believed, strict=True)
        ]
        out: Floats = (np.max(shares, axis=0) * np.where(wider, HEAD, 1.0)).astype(np.float32)
        return out


def _widens(text: str, wanted: frozenset[str]) -> bool:
    """Whether a known text is one of the words of a term of several: "tower" of "office tower"."""
    return any(text != w and text in w.split() for w in wanted)


def nearness(cosines: Floats, best: float) -> Floats:
    """P(same thing | cosine): falls with the cosine, and with how much nearer another word is.

    Shape and first values from hiding each of the 3,121 WordNet words in turn and guessing its classes from the others.
    """
    logits = STEEPNESS * cosines - MARGIN * np.maximum(best - cosines, 0.0) - OFFSET
    out: Floats = (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)
    return out
