"""How probable is each term of a vocabulary, by GME's vectors.

A cosine alone says little: cosines of pictures and tags lie in a narrow band that shifts from tag to tag and from picture to
picture. So both shifts are measured against a bank of neutral texts and subtracted. The rest is expressed in standard
deviations (z). A logistic curve makes it a probability. Its two numbers are a prior, not a fit: no labelled pictures were at
hand with the real weights. `tagger evaluate --calibrate` fits a map per term on labelled pictures, which is applied here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog

from tagger.catalog.vocabulary import Category, Term, Vocabulary
from tagger.evaluation.calibration import Calibration
from tagger.prediction import Prediction, TermScore
from workers.models.gme.bank import NEUTRAL

Floats = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]  # n texts → [n, d], rows of length one

MIDDLE, STEEPNESS = 2.5, 2.0  # of the logistic curve over z: 2.5 deviations above the neutral texts is as likely as not
LEAST_SPREAD = 1e-4  # a bank that says the same of everything has no deviations to count in
TABLES = 16  # vocabularies remembered
CALIBRATED = "gme-tags"  # name of the scores' model

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A vocabulary in vectors."""

    ids: tuple[tuple[str, str], ...]  # (category, term)
    terms: Floats  # [terms, d]
    near: Floats  # [terms] mean cosine of each term with the neutral texts


class TermScorer:
    """Scores every term of any vocabulary. Thread-safe. A vocabulary is encoded when it is first used."""

    def __init__(self, encode: Encode, model: Callable[[], str], calibration: Calibration | None = None) -> None:
        """`model`: name@revision of the encoder, known once it is loaded. A calibration of other weights is not used."""
        self._encode, self._model = encode, model
        self._calibration = calibration
        self._lock = threading.Lock()  # held during encoding, so that other threads wait for the same vectors
        self._tables: OrderedDict[tuple[tuple[str, ...], ...], Table] = OrderedDict()
        self._bank: Floats | None = None

    @property
    def model(self) -> str:
        return f"{CALIBRATED}@{self._model().partition('@')[2]}"

    def score(self, prediction: Prediction, vocabulary: Vocabulary) -> tuple[TermScore, ...]:
        """One score per term, in the vocabulary's order; none without a vector. Errors: those of the encoder."""
        if prediction.embedding is None or not len(vocabulary):
            return ()
        table, bank = self._table(vocabulary)
        probs = probabilities(prediction.embedding.vector, table, bank)
        if (fitted := self._fitted()) is not None:
            probs = fitted.apply(probs, [term for _, term in table.ids])
        return tuple(
            TermScore(category=category, term=term, score=float(p), model=self.model)
            for (category, term), p in zip(table.ids, probs, strict=True)
        )

    def prepare(self, vocabulary: Vocabulary) -> None:
        """Does nothing: to encode a vocabulary would keep the model busy for minutes on a CPU, and images would wait."""

    def _fitted(self) -> Calibration | None:
        """The calibration, if it is of these very weights."""
        if self._calibration is not None and self._calibration.model != self.model:
            log.warning("calibration.of_other_weights", model=self.model, calibration=self._calibration.model)
            self._calibration = None
        return self._calibration

    def reach(self, category: Category, term: Term) -> str | None:
        """Why this model cannot find a term, or None when it can. For `tagger.catalog.vocabulary.check_vocabulary`."""
        if any(text.strip() for text in category.prompts_of(term)):
            return None
        return "it has no text to compare pictures with; add `prompts: […]`."

    def _table(self, vocabulary: Vocabulary) -> tuple[Table, Floats]:
        prompts = vocabulary.prompts()
        key = tuple((*ids, *texts) for ids, texts in prompts.items())
        with self._lock:
            if self._bank is None:
                self._bank = self._encode(NEUTRAL)
            if key not in self._tables:
                self._tables[key] = self._build(prompts, self._bank)
            self._tables.move_to_end(key)
            while len(self._tables) > TABLES:
                self._tables.popitem(last=False)
            return self._tables[key], self._bank

    def _build(self, prompts: Mapping[tuple[str, str], tuple[str, ...]], bank: Floats) -> Table:
        vectors = self._encode([text for texts in prompts.values() for text in texts])
        rows, start = [], 0
        for texts in prompts.values():
            mean = vectors[start : start + len(texts)].mean(axis=0)
            rows.append(mean / max(float(np.linalg.norm(mean)), 1e-12))
            start += len(texts)
        terms = np.stack(rows).astype(np.float32)
        return Table(ids=tuple(prompts), terms=terms, near=(terms @ bank.T).mean(axis=1))


def probabilities(vector: Floats, table: Table, bank: Floats) -> npt.NDArray[np.float64]:
    """[d], a vocabulary, [bank, d] → [terms], each 0..1."""
    neutral = (bank @ vector).astype(np.float64)  # [bank]: how near this picture is to the neutral texts
    among = (bank @ bank.T).astype(np.float64)
    hubs = (among.sum(axis=1) - among.diagonal()) / max(1, len(bank) - 1)  # the bank's own nearness to everything
    centred = neutral - hubs  # without the shift of each text
    spread = max(float(centred.std()), LEAST_SPREAD)
    z = ((table.terms @ vector).astype(np.float64) - table.near - centred.mean()) / spread
    logits = np.clip(STEEPNESS * (z - MIDDLE), -60.0, 60.0)
    result: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp(-logits))
    return result
