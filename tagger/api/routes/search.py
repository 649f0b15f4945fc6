"""Search in the images of a site."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from tagger.api import search_models
from tagger.api.deps import AppState, SiteDep, StateDep, known_query
from tagger.api.job_reading import unstored
from tagger.api.response_models import answered
from tagger.api.shapes import SearchIn
from tagger.api.synchronous import ask, unanswered
from tagger.asset import ImageSource, PictureKind
from tagger.catalog.vocabulary import Vocabulary
from tagger.cms.job_body import AssetId, decode_base64
from tagger.errors import EngineStopped
from tagger.ids import new_id
from tagger.instants import parse_instant
from tagger.job import JobRequest
from tagger.ledger import SearchFilter
from tagger.services.search import render
from tagger.services.search.query_vectors import query_vector
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


@router.post(
    "/v1/search",
    summary="Find images that look like a picture, and by words",
    description="The picture goes through the upload lane like any job; all that is stored of it is erased before the answer. "
    "The rest is as in `GET /v1/search`.",
    responses=answered(search_models.SearchOut),
    response_model=None,
    dependencies=[known_query()],
)
async def search_by_picture(body: SearchIn, state: StateDep, site: SiteDep) -> JSONResponse:
    data = None
    if body.image.base64 is not None:  # off the event loop, as it takes a while
        data = await run_in_threadpool(decode_base64, body.image.base64, state.settings.max_body_bytes)
    source = unstored(data) if data is not None else ImageSource(kind="url", location=str(body.image.url))
    asset_id = f"search-{new_id('req')}"  # of its own, and without words: no search finds it
    wanted = JobRequest(site_id=site.id, asset_id=asset_id, source=source, profile=site.profile, fields=(), deliver=False)
    try:
        _, job = await ask(state, wanted, data, state.settings.describe_wait_seconds)
        if job is None:
            raise EngineStopped("No worker read the picture in time.", "Start a tag worker with `tagger up`, or try again.")
        stored = await run_in_threadpool(state.ledger.vector_of, site.id, asset_id)
        if stored is None:
            return unanswered(job, "")
    finally:
        await run_in_threadpool(state.ledger.erase_asset, site.id, asset_id)
    limits = {"after_ms": parse_instant(body.after), "before_ms": parse_instant(body.before)}
    chosen = SearchFilter(site_id=site.id, tags=tuple(body.tags), kind=body.kind, **limits)
    picture = query_vector(stored.model, stored.vector)
    question = Question(filter=chosen, text=body.text, picture=picture, limit=body.limit)
    found = await run_in_threadpool(state.searcher.search, question, vocabulary_of(state, site))
    return JSONResponse(render.answer(found))


def vocabulary_of(state: AppState, site: Site) -> Vocabulary:
    profile, _ = state.catalog.profile(site.profile)
    return state.catalog.vocabulary(profile, site.vocabulary)
