"""The list of jobs, newest first: one line for each time that an image was described."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from tagger.annotation import Action
from tagger.api.deps import StateDep
from tagger.api.pages.choices import offered_sites, one_of
from tagger.api.pages.frame import PageRoute, page
from tagger.api.pages.signed_in import PersonDep
from tagger.job import JobStatus
from tagger.services.list_filters import check_verdict_reason

router = APIRouter(prefix="/pages", include_in_schema=False, route_class=PageRoute)

LIMIT = 50


@router.get("/jobs")
def jobs(
    request: Request, state: StateDep, person: PersonDep, site: str = "", status: str = "", verdict: str = "", reason: str = "",
    asset: str = "", cursor: str = "",
) -> HTMLResponse:  # fmt: skip
    check_verdict_reason(reason or None)
    found = state.ledger.jobs(
        site_id=person.narrowed(site), asset_id=asset or None, status=one_of(status, get_args(JobStatus)),
        verdict=one_of(verdict, get_args(Action)), reason=reason or None, cursor=cursor or None, limit=LIMIT,
    )  # fmt: skip
    chosen = {"site": site, "status": status, "verdict": verdict, "reason": reason, "asset": asset}
    return page(
        request, person, "jobs.html", jobs=found.data, next_cursor=found.next_cursor, chosen=chosen,
        sites=offered_sites(state, person),
    )  # fmt: skip
