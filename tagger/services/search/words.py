"""What the words of a query name: words to look for, and terms of the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tagger.catalog.labels import folded
from tagger.catalog.vocabulary import Vocabulary
from tagger.search.terms import UNSPACED, WORD, query_words

LONGEST_PHRASE = 5  # words of a label


@dataclass(frozen=True, kw_only=True)
class QueryWords:
    words: tuple[str, ...]
    tags: tuple[str, ...]  # ids of terms whose label or synonym is in the query, in any language


def read_query(text: str, vocabulary: Vocabulary) -> QueryWords:
    plain = folded(text)
    split = WORD.findall(plain)
    phrases = {" ".join(split[start : start + length]) for length in range(1, LONGEST_PHRASE + 1) for start in range(len(split))}
    tags = tuple(
        term.id
        for _, term in vocabulary
        if any(_names(folded(label), plain, phrases) for label in (*term.labels.values(), *_flat(term.synonyms)))
    )
    return QueryWords(words=tuple(query_words(text)), tags=tags)


def _names(label: str, plain: str, phrases: set[str]) -> bool:
    """A label that is written without spaces may stand anywhere; another one must be whole words."""
    if UNSPACED.search(label):
        return label in plain
    return " ".join(WORD.findall(label)) in phrases


def _flat(synonyms: Mapping[str, Sequence[str]]) -> list[str]:
    return [word for words in synonyms.values() for word in words]
