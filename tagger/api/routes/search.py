"""Search in the images of a site."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from tagger.api import search_models
from tagger.api.deps import AppState, SiteDep, StateDep
from tagger.api.response_models import answered
from tagger.asset import PictureKind
from tagger.catalog.vocabulary import Vocabulary
from tagger.cms.job_body import AssetId
from tagger.instants import parse_instant
from tagger.ledger import SearchFilter
from tagger.services.search import render
from tagger.services.search.search import Question
from tagger.site import Site

router = APIRouter(tags=["search"])

MOST_TAGS = 16
SearchText = Annotated[
    str | None, Query(min_length=1, max_length=500, description="Words or a sentence; the vectors need English.")
]
Tags = Annotated[list[str] | None, Query(max_length=MOST_TAGS, description="Id of a term. Repeat for several; an image has all.")]
After = Annotated[
    str | None, Query(description="First described at or after this time.", json_schema_extra={"format": "date-time"})
]
Before = Annotated[str | None, Query(description="First described before this time.", json_schema_extra={"format": "date-time"})]


@router.get(
    "/v1/search",
    summary="Find images by words, by likeness and by tags",
    description="`text` and `asset` may be given together. Without both, the newest images that pass the filters are listed. "
    "`searched` says what was compared, and why something was not.",
    responses=answered(search_models.SearchOut),
    response_model=None,
)
def search(
    state: StateDep,
    site: SiteDep,
    text: SearchText = None,
    asset: Annotated[AssetId | None, Query(description="Images that look like this one.")] = None,
    tag: Tags = None,
    kind: Annotated[PictureKind | None, Query(description="Only this kind of picture.")] = None,
    after: After = None,
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> dict[str, Any]:
    chosen = SearchFilter(
        site_id=site.id, tags=tuple(tag or ()), kind=kind, after_ms=parse_instant(after), before_ms=parse_instant(before)
    )
    question = Question(filter=chosen, text=text, like=asset, limit=limit)
    return render.answer(state.searcher.search(question, vocabulary_of(state, site)))


def vocabulary_of(state: AppState, site: Site) -> Vocabulary:
    profile, _ = state.catalog.profile(site.profile)
    return state.catalog.vocabulary(profile, site.vocabulary)
