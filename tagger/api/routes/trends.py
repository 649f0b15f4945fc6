"""Shares of tags and verdicts over time."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from tagger.api.deps import SiteDep, StateDep
from tagger.api.response_models import answered
from tagger.api.search_models import TrendsOut
from tagger.instants import parse_instant
from tagger.services.trends import trends

router = APIRouter(tags=["search"])


@router.get(
    "/v1/trends",
    summary="Shares of tags and verdicts over time",
    description="An image counts in the period in which it was first described.",
    responses=answered(TrendsOut),
    response_model=None,
)
def get_trends(
    state: StateDep,
    site: SiteDep,
    period: Literal["day", "week", "month"] = "month",
    after: Annotated[str | None, Query(description="First described at or after this time.")] = None,
    before: Annotated[str | None, Query(description="First described before this time.")] = None,
    top: Annotated[int, Query(ge=0, le=1000, description="Only so many of the most frequent tags.")] = 20,
) -> dict[str, Any]:
    limits = {"after_ms": parse_instant(after), "before_ms": parse_instant(before)}
    return trends(state.ledger, site.id, period, top=top, **limits)
