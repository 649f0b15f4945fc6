"""How probable is each term of a vocabulary for one image.

P(term) is the sum over what the classifier may have seen of p(class) · P(term | class), joined with the detector's objects
and with the pixels' colours and light. See README.md of this package for the figures.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import numpy.typing as npt

from tagger.catalog.vocabulary import Category, Term, Vocabulary
from tagger.prediction import Prediction, TermScore
from workers.models.lite import cues, of_kind
from workers.models.lite.belief import evidence, joined
from workers.models.lite.calibrate import Calibrator
from workers.models.lite.files import revision
from workers.models.lite.lexicon import lexicon
from workers.models.lite.reach import reach_of
from workers.models.lite.text import TextEncoder
from workers.models.lite.words import english, forms, unsayable

Floats = npt.NDArray[np.float32]

TABLES = 16  # vocabularies remembered


@dataclass(frozen=True, kw_only=True, eq=False)
class _Links:
    """P(term | concept) of the pairs for which it is not 0: one in two hundred, so that an image need not read the others."""

    concepts: npt.NDArray[np.intp]  # [links] in the order of the terms
    shares: Floats  # [links]
    terms: npt.NDArray[np.intp]  # [linked] that have any
    starts: npt.NDArray[np.intp]  # [linked] where the links of each begin
    count: int  # of all terms

    @classmethod
    def of(cls, near: Floats) -> _Links:
        """From [concepts, terms]."""
        terms, concepts = np.nonzero(near.T)
        linked, starts = np.unique(terms, return_index=True)
        return cls(concepts=concepts, shares=near[concepts, terms], terms=linked, starts=starts, count=near.shape[1])

    def best(self, concepts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """[concepts] probabilities → of each term the largest P(concept) · P(term | concept)."""
        largest = np.zeros(self.count)
        if len(self.starts):
            largest[self.terms] = np.maximum.reduceat(concepts[self.concepts] * self.shares, self.starts)
        return largest


@dataclass(frozen=True, kw_only=True, eq=False)
class _Table:
    """All that scoring needs to know about one vocabulary."""

    categories: tuple[str, ...]  # [terms] of each its category
    terms: tuple[str, ...]
    weights: Floats  # [1080, terms + concepts]: P(term | source) by the source's own words, and the rules' P(concept | source)
    near: _Links  # P(term | concept)
    known: npt.NDArray[np.bool_]  # [terms]: a rule names it
    looks: tuple[tuple[int, str], ...]  # the terms that name a colour or the light, and the word that does
    kinds: tuple[tuple[int, frozenset[str]], ...]  # the terms that name kinds of pictures, and the kinds
    mute: npt.NDArray[np.bool_]  # [terms] never said


class TermScorer:
    """Scores every term of any vocabulary. Thread-safe."""

    name = "lite-tags"

    def __init__(self, encoder: TextEncoder) -> None:
        self.revision = revision("efficientnet_lite0.onnx", "nanodet_coco.onnx", "rules.json", "calibration.json", "words.npz")
        self._encoder = encoder
        self._lexicon = lexicon()
        self._calibrator = Calibrator.load()
        self._tables: OrderedDict[str, _Table] = OrderedDict()
        self._latest: tuple[Vocabulary, _Table] | None = None  # by identity: a fingerprint reads every word
        self._lock = threading.Lock()
        self._building = threading.Lock()

    @property
    def model(self) -> str:
        return f"{self.name}@{self.revision}"

    def score(self, prediction: Prediction, vocabulary: Vocabulary) -> tuple[TermScore, ...]:
        """One score per term, in the vocabulary's order; terms that cannot be reached score 0."""
        table = self.table(vocabulary)
        probs = self._calibrator.apply(self.raw(prediction, table), table.known)
        probs = of_kind.adjust(np.where(table.mute, 0.0, probs), prediction, table.kinds, table.looks)
        return tuple(map(TermScore, table.categories, table.terms, probs.tolist(), repeat(self.model)))

    def prepare(self, vocabulary: Vocabulary) -> None:
        self.table(vocabulary)

    def reach(self, category: Category, term: Term) -> str | None:
        """Why this model cannot find a term, or None when it can. For `tagger.catalog.vocabulary.check_vocabulary`."""
        texts = english(term)
        if not texts:
            return "it has no English label or synonym, and its `same_as` is not known; add `synonyms: {en: […]}`."
        if unsayable(texts):
            return "gender, age and the like are not said from pixels."
        table = self._build(Vocabulary(name="one", version=1, categories=(Category(id=category.id, terms=(term,)),)))
        if max(table.weights[:, :1].max(initial=0.0), table.near.shares.max(initial=0.0)) < 0.3 and not (
            table.looks or table.kinds
        ):
            return "nothing that the lite models see is near it."
        return None

    def unreachable(self, vocabulary: Vocabulary) -> frozenset[str]:
        """Ids of the terms that cannot be reached."""
        return frozenset(term.id for category, term in vocabulary if self.reach(category, term) is not None)

    def raw(self, prediction: Prediction, table: _Table) -> npt.NDArray[np.float64]:
        """[terms] uncalibrated probabilities."""
        if prediction.look is not None and prediction.look.uniform:
            return _coloured(np.zeros(len(table.terms)), prediction, table)  # one colour all over, so it shows nothing else
        seen = joined(evidence(prediction, self._lexicon), table.weights, len(self._lexicon.classes))
        direct, concepts = seen[: len(table.terms)], cues.adjust(seen[len(table.terms) :], prediction)
        return _coloured(np.maximum(direct, table.near.best(concepts)), prediction, table)

    def table(self, vocabulary: Vocabulary) -> _Table:
        latest = self._latest
        if latest is not None and latest[0] is vocabulary:
            return latest[1]
        table = self._fingerprinted(vocabulary)
        self._latest = vocabulary, table
        return table

    def _fingerprinted(self, vocabulary: Vocabulary) -> _Table:
        key = _fingerprint(vocabulary)
        if (known := self._find(key)) is not None:
            return known
        with self._building:  # one thread at a time: sixteen that read the same words at the start took 28 s instead of one
            if (known := self._find(key)) is not None:
                return known
            built = self._build(vocabulary)
            with self._lock:
                self._tables[key] = built
                while len(self._tables) > TABLES:
                    self._tables.popitem(last=False)
            return built

    def _find(self, key: str) -> _Table | None:
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
            return self._tables.get(key)

    def _build(self, vocabulary: Vocabulary) -> _Table:
        pairs = list(vocabulary)
        texts = [english(term) for _, term in pairs]
        flat = [text for some in texts for text in some]
        vectors = self._encoder.stored(flat)
        columns, start = [], 0
        for some in texts:
            columns.append(reach_of(some, vectors[start : start + len(some)], self._lexicon))
            start += len(some)
        names = tuple(frozenset(form for text in some for form in forms(text)) for some in texts)
        return _Table(
            categories=tuple(category.id for category, _ in pairs),
            terms=tuple(term.id for _, term in pairs),
            weights=np.column_stack([*(c[0] for c in columns), self._lexicon.rules]),
            near=_Links.of(np.array([c[1] for c in columns], np.float32).reshape(len(pairs), len(self._lexicon.concepts)).T),
            known=np.array([c[2] for c in columns], bool),
            looks=tuple((i, word) for i, some in enumerate(names) if (word := cues.look_word(some)) is not None),
            kinds=tuple((i, kinds) for i, some in enumerate(names) if (kinds := of_kind.named(some))),
            mute=np.array([not some or unsayable(some) for some in texts], bool),
        )


def _coloured(probs: npt.NDArray[np.float64], prediction: Prediction, table: _Table) -> npt.NDArray[np.float64]:
    """Terms that name a colour or the light get the probability of the pixels instead."""
    if prediction.look is not None:
        for i, word in table.looks:
            probs[i] = cues.by_look(word, prediction.look)
    return probs


def _fingerprint(vocabulary: Vocabulary) -> str:
    digest = hashlib.sha256()
    for category, term in vocabulary:
        digest.update("\0".join((category.id, term.id, *english(term), "\1")).encode())
    return digest.hexdigest()
