"""Near-duplicates among the images of a site."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from tagger.api.deps import SiteDep, StateDep
from tagger.api.response_models import answered
from tagger.api.search_models import DuplicatesOut
from tagger.services.duplicates import duplicates

router = APIRouter(tags=["search"])


@router.get(
    "/v1/duplicates",
    summary="Images that look alike",
    description="Groups of images, by perceptual hash and vector. "
    "With `propose`, the CMS is asked for its alt texts, and the text of a "
    "person is proposed for the twins that have none.",
    responses=answered(DuplicatesOut),
    response_model=None,
)
def get_duplicates(
    state: StateDep,
    site: SiteDep,
    propose: Annotated[bool, Query(description="Ask the CMS for alt texts of people.")] = False,
) -> dict[str, Any]:
    return duplicates(state.ledger, site.id, propose=propose)
