"""The words that a caption may say of a thing (`nouns.json`), and how probable each is for a picture. Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tagger.prediction import Prediction
from workers.models.lite.belief import calibrated, concepts_of, evidence, joined
from workers.models.lite.files import table
from workers.models.lite.lexicon import Lexicon, lexicon

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Noun:
    word: str  # English, singular
    zh: str | None  # simplified Chinese; None: the caption is English only
    measure: str = ""  # Chinese measure word; empty: it is not counted
    coloured: bool = False  # its colour says something of it: a car, a flower
    near: bool = False  # so small that a picture of it is a close-up
    broad: bool = False  # too general to be published: an animal
    uncounted: bool = False  # fruit
    plural_only: bool = False  # scissors, leaves
    scenery: bool = False  # a place rather than a thing: the classifier's and the pixels' cues say it together
    spread: int = 1  # the number of classes and objects that are such a thing: the more, the broader


@dataclass(frozen=True, kw_only=True, eq=False)
class _Table:
    nouns: tuple[Noun, ...]
    naming: npt.NDArray[np.float32]  # [1080, nouns]: whether a source is such a thing
    concepts: tuple[int | None, ...]  # of each noun, the concept of the same name


@functools.cache
def _table() -> _Table:
    known, stored = lexicon(), table("nouns.json")
    naming = np.zeros((len(known.words), len(stored)), np.float32)
    nouns = []
    for column, (word, row) in enumerate(stored.items()):
        naming[_sources(known, word, row), column] = 1.0
        nouns.append(_noun(word, row, int(naming[:, column].sum())))
    return _Table(nouns=tuple(nouns), naming=naming, concepts=tuple(known.concept_index.get(noun.word) for noun in nouns))


def _noun(word: str, row: Mapping[str, str], spread: int) -> Noun:
    flags = row.get("flags", "")
    return Noun(
        word=word,
        zh=row["zh"],
        measure=row["measure"],
        coloured="c" in flags,
        near="k" in flags,
        broad="b" in flags,
        uncounted="u" in flags,
        plural_only="p" in flags,
        scenery="s" in flags,
        spread=spread,
    )


def _sources(known: Lexicon, word: str, row: Mapping[str, list[str]]) -> list[int]:
    """The classes that are such a thing by their words, without homonyms, and the object of that name."""
    found = {int(i) for named in row.get("words", [word]) for i in known.sources_of.get(named, ())}
    found -= {known.class_index[other] for other in row.get("not", ())}
    own = known.object_index.get(word)
    return sorted(found | ({len(known.classes) + own} if own is not None else set()))


def all_nouns() -> tuple[Noun, ...]:
    return _table().nouns


def noun(word: str) -> Noun | None:
    return _by_word().get(word)


@functools.cache
def _by_word() -> Mapping[str, Noun]:
    return {each.word: each for each in _table().nouns}


def sources(word: str) -> tuple[int, ...]:
    """The classes and objects that are such a thing."""
    nouns = _table()
    column = next((i for i, each in enumerate(nouns.nouns) if each.word == word), None)
    return tuple(np.flatnonzero(nouns.naming[:, column]).tolist()) if column is not None else ()


@functools.cache
def narrowest(row: int) -> Noun | None:
    """The narrowest word of the table for a class that may be published."""
    fitting = [n for n, of in zip(_table().nouns, _table().naming[row], strict=True) if of and not n.broad]
    return min(fitting, key=lambda n: n.spread, default=None)


def believed_nouns(prediction: Prediction) -> Mapping[str, float]:
    """Word → the probability that such a thing is on the picture. Of scenery it is that of the tag, cues of the pixels included;
    of a thing what is itself such a thing, never what often goes with it (a tripod is no camera)."""
    known, nouns = lexicon(), _table()
    direct = joined(evidence(prediction, known), nouns.naming, len(known.classes))
    named = calibrated(direct, ruled=False)
    tagged = calibrated(concepts_of(prediction, known), ruled=True)
    return {
        each.word: float(tagged[column] if each.scenery and column is not None else named[i])
        for i, (each, column) in enumerate(zip(nouns.nouns, nouns.concepts, strict=True))
    }
