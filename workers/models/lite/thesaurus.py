"""WordNet's nouns: which texts that the models know mean the same, or nearly the same, as a word. Pure, but it reads
its file.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.models.lite.files import DATA
from workers.models.lite.words import forms

Floats = npt.NDArray[np.float32]

SAME = 0.99  # weight from which two words mean the same in their first sense
HEAD = 0.2  # P("office tower" | tower): a phrase that WordNet does not know counts as a kind of its last word


@dataclass(frozen=True, kw_only=True, eq=False)
class Thesaurus:
    place: dict[str, int]  # noun → its number
    starts: npt.NDArray[np.intp]
    columns: npt.NDArray[np.uint16]  # units, then concepts
    weights: Floats  # P(noun | unit or concept)
    member: npt.NDArray[np.bool_]  # [units, 1080]: the sources under each unit

    def related(self, texts: Sequence[str], concepts: int) -> tuple[Floats, Floats]:
        """P(term | source) [1080] and P(term | concept) [concepts], for a term that any of `texts` names."""
        units = len(self.member)
        found = np.zeros(units + concepts, np.float32)
        for text in texts:
            self._note(found, forms(text), 1.0)
            words = text.replace("-", " ").split()
            if len(words) > 1 and not any(form in self.place for form in forms(text)):
                self._note(found, forms(words[-1]), HEAD)
        used = np.flatnonzero(found[:units])
        of_sources = (found[used, None] * self.member[used]).max(axis=0, initial=0.0)
        return of_sources.astype(np.float32), found[units:]

    def _note(self, found: Floats, words: frozenset[str], share: float) -> None:
        for word in words:
            number = self.place.get(word)
            if number is not None:
                some = slice(self.starts[number], self.starts[number + 1])
                found[self.columns[some]] = np.maximum(found[self.columns[some]], self.weights[some] * share)


@functools.cache
def thesaurus() -> Thesaurus:
    """WordNet's nouns near enough to a class or a concept, read in some 30 ms."""
    with np.load(DATA / "thesaurus.npz", allow_pickle=False) as stored:
        lemmas = stored["lemmas"].tobytes().decode().split("\n")
        member = np.unpackbits(stored["member"], axis=1).astype(bool)
        return Thesaurus(
            place={w: i for i, w in enumerate(lemmas)},
            starts=np.concatenate([[0], np.cumsum(stored["counts"].astype(np.intp))]),
            columns=stored["columns"],
            weights=stored["weights"].astype(np.float32) / 255.0,
            member=member,
        )
