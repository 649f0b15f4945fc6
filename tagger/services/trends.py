"""Shares of tags and verdicts over time, for one site. An image counts in the period in which it was first described."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tagger.ledger import Ledger

Period = Literal["day", "week", "month"]


def trends(
    ledger: Ledger, site_id: str, period: Period, *, after_ms: int | None = None, before_ms: int | None = None, top: int = 20
) -> dict[str, Any]:
    """`top`: the most frequent tags of all periods together; the others are not listed. Errors: LedgerUnavailable."""
    verdicts: dict[str, Counter[str]] = {}
    tags: dict[str, Counter[str]] = {}
    for day in ledger.verdicts_by_day(site_id, after_ms, before_ms):
        verdicts.setdefault(start_of(day.day_ms, period), Counter())[day.word] += day.count
    for day in ledger.tags_by_day(site_id, after_ms, before_ms):
        tags.setdefault(start_of(day.day_ms, period), Counter())[day.word] += day.count
    total = sum(tags.values(), Counter())
    chosen = [tag for tag, _ in sorted(total.items(), key=lambda item: (-item[1], item[0])) if tag][:top]
    rows = [_row(start, verdicts[start], tags.get(start, Counter()), chosen) for start in sorted(verdicts)]
    return {"period": period, "data": rows}


def start_of(day_ms: int, period: Period) -> str:
    """The first day of the period, as YYYY-MM-DD. A week begins on Monday."""
    day = datetime.fromtimestamp(day_ms / 1000, UTC).date()
    if period == "week":
        day -= timedelta(days=day.weekday())
    elif period == "month":
        day = day.replace(day=1)
    return day.isoformat()


def _row(start: str, verdicts: Counter[str], tags: Counter[str], chosen: list[str]) -> dict[str, Any]:
    described = sum(verdicts.values())
    return {
        "start": start,
        "described": described,
        "publish": verdicts["publish"],
        "review": verdicts["review"],
        "suppress": verdicts["suppress"],
        "tagged": tags[""],
        "coverage": round(tags[""] / described, 4),
        "tags": [{"id": tag, "count": tags[tag], "share": round(tags[tag] / described, 4)} for tag in chosen],
    }


CSV_COLUMNS = ("start", "measure", "tag", "count", "share")


def csv_rows(body: dict[str, Any]) -> Iterator[tuple[str, str, str, int, float]]:
    """One line for each measure and each tag of each period."""
    for row in body["data"]:
        for measure in ("described", "publish", "review", "suppress", "tagged"):
            yield row["start"], measure, "", row[measure], round(row[measure] / row["described"], 4)
        for tag in row["tags"]:
            yield row["start"], "tag", tag["id"], tag["count"], tag["share"]
