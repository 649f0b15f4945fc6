"""Search in the images of one site: by words, by likeness, or by both; filters come first.

Words are looked for in tags, labels and texts. Likeness is the cosine of vectors. Each way gives a ranking; the reciprocal
ranks are added (Cormack et al. 2009), because a cosine and a number of words have no common scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from tagger.catalog.vocabulary import Vocabulary
from tagger.errors import EngineStopped, NotFound, TaggerError
from tagger.ledger import FoundAsset, Ledger, SearchFilter, WordMatch
from tagger.search.index import Match, VectorIndex
from tagger.services.search.query_vectors import QueryVector, QueryVectors
from tagger.services.search.refresh import FRESH_MS, refresh
from tagger.services.search.words import read_query

if TYPE_CHECKING:
    from tagger.prediction import Vector

log = structlog.get_logger()

RANK_OFFSET = 60  # of reciprocal rank fusion
DEPTH = 200  # of each ranking
LEAST_TEXT_COSINE = 0.40  # most images that do not fit lie below it, and few that fit (docs/search.md)

WHERE = {"tag": "tag", "label": "tag", "text": "text", "picture": "text_in_picture"}


@dataclass(frozen=True, kw_only=True)
class Question:
    """`text`, `like` and `picture` may be given together; without any, the newest images that pass the filter are listed."""

    filter: SearchFilter
    text: str | None = None
    like: str | None = None  # id of an asset of the site
    picture: QueryVector | None = None
    limit: int = 20

    @property
    def only_filters(self) -> bool:
        return self.text is None and self.like is None and self.picture is None


@dataclass(frozen=True, kw_only=True)
class Hit:
    asset: FoundAsset
    score: float  # 1: first in every ranking
    similarity: float | None  # cosine; None: not among the nearest vectors
    matched_by: tuple[str, ...]  # tag, text, text_in_picture, vector


@dataclass(frozen=True, kw_only=True)
class Answer:
    hits: tuple[Hit, ...]
    vectors: str | None  # the model whose vectors were compared
    notes: tuple[str, ...]  # what was not searched, and why


class Searcher:
    """What a process needs for searches."""

    def __init__(
        self, ledger: Ledger, index: VectorIndex | None, query_vectors: QueryVectors, *, fresh_ms: int = FRESH_MS
    ) -> None:
        self._ledger = ledger
        self._index = index
        self._query_vectors = query_vectors
        self._fresh_ms = fresh_ms

    def search(self, question: Question, vocabulary: Vocabulary) -> Answer:
        """Errors: NotFound for an unknown asset; LedgerUnavailable."""
        notes: list[str] = []
        model, nearest = self._nearest(question, notes)
        words = self._by_words(question, vocabulary)
        if question.only_filters:
            ranked = [(asset, 0.0) for asset in self._ledger.newest_assets(question.filter, question.limit)]
        else:
            rankings = [r for r in ([m.asset_id for m in nearest], [w.asset_id for w in words]) if r]
            ranked = _fused(rankings)
        found = self._ledger.found_assets(question.filter.site_id, [asset for asset, _ in ranked[: DEPTH * 2]])
        hits = _hits(ranked, found, nearest, words)[: question.limit]
        return Answer(hits=tuple(hits), vectors=model, notes=tuple(notes))

    def freshen(self) -> None:
        """Bring the indexes up to date that were used before. A failure is logged; the next round tries again."""
        if self._index is None:
            return
        try:
            for site in self._ledger.sites():
                if self._index.position(site.id) is not None:
                    refresh(self._ledger, self._index, site.id)
        except (TaggerError, OSError) as err:
            log.warning("index.not_refreshed", error=str(err))
        except Exception as err:  # such as a full disk below the exact index: whoever calls goes on for months
            log.exception("index.not_refreshed", error=type(err).__name__)

    def _by_words(self, question: Question, vocabulary: Vocabulary) -> Sequence[WordMatch]:
        if question.text is None:
            return ()
        query = read_query(question.text, vocabulary)
        return self._ledger.assets_by_words(question.filter, query.words, query.tags, limit=DEPTH)

    def _nearest(self, question: Question, notes: list[str]) -> tuple[str | None, list[Match]]:
        if question.only_filters:
            return None, []
        if self._index is None:
            if question.like is not None:
                raise NotFound("This installation has no index of vectors (setting `search_index`).")
            notes.append("There is no index of vectors (setting `search_index`): only tags and texts were searched.")
            return None, []
        site_id = question.filter.site_id
        refresh(self._ledger, self._index, site_id, fresh_ms=self._fresh_ms)
        query = self._query(question, self._index, notes)
        if query is None:
            return None, []
        among = self._ledger.assets_left(question.filter) if question.filter.narrows else None
        depth = max(DEPTH, question.limit) + 1
        found = self._index.search(site_id, query.model, query.vector, limit=depth, among=among)
        only_text = question.like is None and question.picture is None
        least = LEAST_TEXT_COSINE if only_text else -1.0
        return query.model, [m for m in found if m.similarity >= least and m.asset_id != question.like]

    def _query(self, question: Question, index: VectorIndex, notes: list[str]) -> QueryVector | None:
        """One vector of all parts of the question that have one of the same model."""
        parts = [
            part for part in (question.picture, self._of_asset(question, index), self._of_text(question, index, notes)) if part
        ]
        if not parts:
            return None
        model = parts[0].model
        if any(part.model != model for part in parts):
            notes.append(f"The parts of the question have vectors of different models; only those of {model} were compared.")
        return QueryVector(model=model, vector=_mean([part.vector for part in parts if part.model == model]))

    def _of_asset(self, question: Question, index: VectorIndex) -> QueryVector | None:
        if question.like is None:
            return None
        names = index.names(question.filter.site_id)
        if len(names) > 1:  # during a change of models: the fuller index first
            models = index.models(question.filter.site_id)
            names = sorted(models, key=lambda model: -models[model].vectors)
        for model in names:
            vector = index.vector(question.filter.site_id, model, question.like)
            if vector is not None and self._ledger.found_assets(question.filter.site_id, [question.like]):
                return QueryVector(model=model, vector=vector)
        raise NotFound(f"The asset {question.like!r} has no vector. It was not described, or by a model without vectors.")

    def _of_text(self, question: Question, index: VectorIndex, notes: list[str]) -> QueryVector | None:
        if question.text is None or not question.text.strip():
            return None
        try:
            query = self._query_vectors.of(question.text)
        except EngineStopped as err:
            notes.append(f"{err.detail} Only tags and texts were searched.")
            return None
        if query is None:
            notes.append("The embedding model of this installation reads no text here: only tags and texts were searched.")
            return None
        names = index.names(question.filter.site_id)
        if names and query.model not in names:
            stored = ", ".join(sorted(names))
            notes.append(f"The images have vectors of {stored}, the text of {query.model}: only tags and texts were searched.")
            return None
        return query


def _mean(vectors: Sequence[Vector]) -> Vector:
    total = sum(vectors[1:], start=vectors[0])
    mean: Vector = total / max(float((total @ total) ** 0.5), 1e-12)
    return mean


def _fused(rankings: Sequence[Sequence[str]]) -> list[tuple[str, float]]:
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, asset in enumerate(ranking):
            scores[asset] = scores.get(asset, 0.0) + (RANK_OFFSET + 1) / (RANK_OFFSET + 1 + rank) / len(rankings)
    return sorted(scores.items(), key=lambda item: -item[1])


def _hits(
    ranked: Sequence[tuple[str, float]], found: Mapping[str, FoundAsset], nearest: Sequence[Match], words: Sequence[WordMatch]
) -> list[Hit]:
    """What was erased since an index was brought up to date is not in `found`."""
    cosine = {match.asset_id: match.similarity for match in nearest}
    where = {match.asset_id: match.kinds for match in words}
    return [
        Hit(
            asset=found[asset],
            score=round(score, 4),
            similarity=round(cosine[asset], 4) if asset in cosine else None,
            matched_by=(
                *dict.fromkeys(WHERE[kind] for kind in sorted(where.get(asset, ()))),
                *(("vector",) if asset in cosine else ()),
            ),
        )
        for asset, score in ranked
        if asset in found
    ]
