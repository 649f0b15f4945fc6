"""Reads for search: which assets a filter leaves, which match words, and what there is to say of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, and_, case, distinct, func, or_, select

from tagger.annotation import Annotation
from tagger.ledger.db.store import Store
from tagger.ledger.tables import described_assets, offers, search_terms
from tagger.search.terms import Kind

WORDS: tuple[Kind, ...] = ("label", "text", "picture")
AT_ONCE = 500  # names in one statement


@dataclass(frozen=True, kw_only=True)
class SearchFilter:
    """Which assets of a site may be found at all."""

    site_id: str
    tags: tuple[str, ...] = ()  # ids of terms; an asset must have all
    after_ms: int | None = None  # first described at or after
    before_ms: int | None = None
    kind: str | None = None  # of picture

    @property
    def narrows(self) -> bool:
        return bool(self.tags or self.kind) or self.after_ms is not None or self.before_ms is not None


@dataclass(frozen=True, kw_only=True)
class WordMatch:
    asset_id: str
    matched: int  # how many of the words, and of the tags that the words name
    kinds: frozenset[Kind]  # where


@dataclass(frozen=True, kw_only=True)
class FoundAsset:
    """What the ledger knows of a described asset."""

    asset_id: str
    job_id: str
    first_ms: int
    verdict: str
    kind: str | None
    annotations: tuple[Annotation, ...] = ()  # none after its job expired
    tags: tuple[str, ...] = field(default=())  # ids


class Searches(Store):
    def assets_left(self, chosen: SearchFilter) -> list[str]:
        """The assets that pass the filter."""
        stmt = select(described_assets.c.asset_id).where(*_passes(chosen))
        return self._read(lambda conn: list(conn.execute(stmt).scalars()))

    def newest_assets(self, chosen: SearchFilter, limit: int) -> list[str]:
        """The assets that pass the filter, those first described last first."""
        stmt = select(described_assets.c.asset_id).where(*_passes(chosen))
        stmt = stmt.order_by(described_assets.c.first_ms.desc(), described_assets.c.asset_id).limit(limit)
        return self._read(lambda conn: list(conn.execute(stmt).scalars()))

    def assets_by_words(self, chosen: SearchFilter, words: Sequence[str], tags: Sequence[str], *, limit: int) -> list[WordMatch]:
        """Assets with any of the words or tags; those with the most first."""
        if not words and not tags:
            return []
        terms = search_terms.c
        is_word = and_(terms.kind.in_(WORDS), terms.term.in_(words))
        is_tag = and_(terms.kind == "tag", terms.term.in_(tags))
        counted = func.count(distinct(case((is_word, terms.term)))) + func.count(distinct(case((is_tag, terms.term))))
        stmt = select(terms.asset_id, counted.label("matched")).where(terms.site_id == chosen.site_id, or_(is_word, is_tag))
        if chosen.narrows:
            stmt = stmt.where(terms.asset_id.in_(select(described_assets.c.asset_id).where(*_passes(chosen))))
        best = stmt.group_by(terms.asset_id).order_by(counted.desc(), terms.asset_id).limit(limit)

        def work(conn: Connection) -> list[WordMatch]:
            found = {row.asset_id: row.matched for row in conn.execute(best)}
            where: dict[str, set[Kind]] = {asset: set() for asset in found}
            for part in _parts(list(found)):
                mine = (terms.site_id == chosen.site_id, terms.asset_id.in_(part), or_(is_word, is_tag))
                for asset, kind in conn.execute(select(terms.asset_id, terms.kind).distinct().where(*mine)):
                    where[asset].add(kind)
            return [WordMatch(asset_id=asset, matched=n, kinds=frozenset(where[asset])) for asset, n in found.items()]

        return self._read(work)

    def found_assets(self, site_id: str, assets: Collection[str]) -> Mapping[str, FoundAsset]:
        """Those of these assets that are described and not erased, with their texts."""

        def work(conn: Connection) -> Mapping[str, FoundAsset]:
            found: dict[str, FoundAsset] = {}
            for part in _parts(list(assets)):
                found.update(_found(conn, site_id, part))
            return found

        return self._read(work)


def _passes(chosen: SearchFilter) -> list[ColumnElement[bool]]:
    assets = described_assets.c
    passes: list[ColumnElement[bool]] = [assets.site_id == chosen.site_id]
    if chosen.after_ms is not None:
        passes.append(assets.first_ms >= chosen.after_ms)
    if chosen.before_ms is not None:
        passes.append(assets.first_ms < chosen.before_ms)
    if chosen.kind is not None:
        passes.append(assets.kind == chosen.kind)
    for tag in chosen.tags:
        mine = (search_terms.c.site_id == chosen.site_id, search_terms.c.kind == "tag", search_terms.c.term == tag)
        passes.append(assets.asset_id.in_(select(search_terms.c.asset_id).where(*mine)))
    return passes


def _found(conn: Connection, site_id: str, assets: Sequence[str]) -> dict[str, FoundAsset]:
    mine = (described_assets.c.site_id == site_id, described_assets.c.asset_id.in_(assets))
    rows = conn.execute(select(described_assets).where(*mine)).all()
    texts: dict[str, list[Annotation]] = {}
    offered = select(offers).where(offers.c.job_id.in_([row.job_id for row in rows])).order_by(offers.c.job_id, offers.c.position)
    for offer in conn.execute(offered):
        texts.setdefault(offer.job_id, []).append(Annotation.from_dict({**offer.body, "outcome": offer.outcome}))
    tags: dict[str, list[str]] = {}
    terms = search_terms.c
    of_these = (terms.site_id == site_id, terms.kind == "tag", terms.asset_id.in_([row.asset_id for row in rows]))
    for asset, term in conn.execute(select(terms.asset_id, terms.term).where(*of_these).order_by(terms.term)):
        tags.setdefault(asset, []).append(term)
    return {
        row.asset_id: FoundAsset(
            asset_id=row.asset_id, job_id=row.job_id, first_ms=row.first_ms, verdict=row.verdict, kind=row.kind,
            annotations=tuple(texts.get(row.job_id, ())), tags=tuple(tags.get(row.asset_id, ())),
        )
        for row in rows
    }  # fmt: skip


def _parts(items: Sequence[str]) -> list[Sequence[str]]:
    return [items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)]
