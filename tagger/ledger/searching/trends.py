"""Counts of described images by the UTC day on which they were first described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select

from tagger.ledger.db.store import Store
from tagger.ledger.tables import described_assets, search_terms

DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True)
class DayCount:
    day_ms: int  # its start
    word: str  # a verdict, or the id of a tag; "": images with any tag
    count: int


class Trends(Store):
    def verdicts_by_day(self, site_id: str, after_ms: int | None, before_ms: int | None) -> list[DayCount]:
        stmt = select(_DAY, described_assets.c.verdict, func.count()).where(*_between(site_id, after_ms, before_ms))
        return self._read(lambda conn: _counts(conn, stmt.group_by(_DAY, described_assets.c.verdict)))

    def tags_by_day(self, site_id: str, after_ms: int | None, before_ms: int | None) -> list[DayCount]:
        """How many images have each tag; and, as the word "", how many have any."""
        terms = search_terms.c
        of_asset = and_(terms.site_id == described_assets.c.site_id, terms.asset_id == described_assets.c.asset_id)
        joined = described_assets.join(search_terms, and_(of_asset, terms.kind == "tag"))
        mine = _between(site_id, after_ms, before_ms)
        each = select(_DAY, terms.term, func.count()).select_from(joined).where(*mine).group_by(_DAY, terms.term)
        every = func.count(described_assets.c.asset_id.distinct())
        any_tag = select(_DAY, every).select_from(joined).where(*mine).group_by(_DAY)

        def work(conn: Connection) -> list[DayCount]:
            tagged = [DayCount(day_ms=day * DAY_MS, word="", count=count) for day, count in conn.execute(any_tag)]
            return [*tagged, *_counts(conn, each)]

        return self._read(work)


_DAY = described_assets.c.first_ms // DAY_MS


def _between(site_id: str, after_ms: int | None, before_ms: int | None) -> list[Any]:
    first = described_assets.c.first_ms
    limits = [first >= after_ms] if after_ms is not None else []
    return [described_assets.c.site_id == site_id, *limits, *([first < before_ms] if before_ms is not None else [])]


def _counts(conn: Connection, stmt: Select[Any]) -> list[DayCount]:
    return [DayCount(day_ms=day * DAY_MS, word=word, count=count) for day, word, count in conn.execute(stmt)]
