"""Drop a picture and see what tagger says of it. Nothing is sent to the CMS; the result is the page of the image."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from tagger.api.deps import StateDep
from tagger.api.job_reading import check_size, unstored
from tagger.api.pages.choices import offered_sites
from tagger.api.pages.frame import PageRoute, page, see
from tagger.api.pages.signed_in import PersonDep, PostedDep
from tagger.errors import BadRequest
from tagger.ids import new_id
from tagger.job import JobRequest

router = APIRouter(prefix="/pages", include_in_schema=False, route_class=PageRoute)


@router.get("/try-it")
def form(request: Request, state: StateDep, person: PersonDep) -> HTMLResponse:
    return page(request, person, "try_it.html", sites=offered_sites(state, person))


@router.post("/try-it")
async def describe(state: StateDep, posted: PostedDep) -> Response:
    """As `POST /v1/describe`: it waits for a while, and then the page of the image says how far it is."""
    site_id = posted.person.narrowed(posted.text("site"))
    if site_id is None:
        raise BadRequest("No site is chosen.", "Choose the site whose profile and vocabulary apply.")
    upload = posted.file("image")
    if upload is None or not upload.filename:
        raise BadRequest("No picture is chosen.", "Choose a file, then send again.")
    data = await upload.read(state.settings.max_body_bytes + 1)
    check_size(data, state)
    site = await run_in_threadpool(state.ledger.get_site, site_id)
    wanted = JobRequest(
        site_id=site.id, asset_id=new_id("tst"), source=unstored(data), profile=site.profile, locales=site.locales,
        lane="upload", deliver=False, event_id=new_id("req"),
    )  # fmt: skip
    accepted = await run_in_threadpool(state.ingest.accept, wanted, data)
    await state.waiter.wait(accepted.job_id, state.settings.describe_wait_seconds)
    return see("asset", site=site.id, id=wanted.asset_id)
