"""One asset: its texts and where they came from, every job, and what happened when."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from tagger.api.deps import AppState, StateDep
from tagger.api.pages.frame import PageRoute, page
from tagger.api.pages.history import Sent, moments
from tagger.api.pages.signed_in import PersonDep
from tagger.errors import BadRequest, NotFound
from tagger.job import Job

router = APIRouter(prefix="/pages", include_in_schema=False, route_class=PageRoute)

MOST_JOBS = 20


@router.get("/asset")
def asset(request: Request, state: StateDep, person: PersonDep, id: str, site: str = "", cursor: str = "") -> HTMLResponse:
    site_id = person.narrowed(site)
    if site_id is None:
        raise BadRequest("The address names no site.", "Open the image from a list.")
    found = state.ledger.jobs(site_id=site_id, asset_id=id, cursor=cursor or None, limit=MOST_JOBS)
    if not found.data:
        raise NotFound(f"The site {site_id!r} has no image {id!r}, or its jobs were deleted by age.")
    sent = _sent(state, found.data)
    described = next((job for job in found.data if job.description is not None), None)
    return page(
        request, person, "asset.html", asset_id=id, site_id=site_id, jobs=found.data, next_cursor=found.next_cursor,
        described=described, deliveries={one.delivery.id: one.delivery for one in sent}, moments=moments(found.data, sent),
    )  # fmt: skip


def _sent(state: AppState, jobs: list[Job]) -> list[Sent]:
    ids = [job.delivery_id for job in jobs if job.delivery_id]
    return [Sent(delivery=state.ledger.delivery(one), attempts=state.ledger.attempts(one)) for one in ids]
