"""The picture of a job, small, from our own address; where there is none, a drawing that says why."""

from __future__ import annotations

import time
from html import escape

import structlog
from fastapi import APIRouter, Request, Response

from tagger.api.deps import StateDep
from tagger.api.pages import language
from tagger.api.pages.frame import PageRoute
from tagger.api.pages.signed_in import PersonDep
from tagger.errors import DecoderUnavailable, FetchError, ImageError, NotFound
from tagger.services.pictures import Pictures

router = APIRouter(prefix="/pages", include_in_schema=False, route_class=PageRoute)
log = structlog.get_logger()

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
KEPT = "private, max-age=3600"
NO_BYTES = "No picture is kept"
NOT_FETCHED = "The picture cannot be fetched"
NOT_SHOWN = "The picture cannot be shown"
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 200" width="320" height="200">
<rect width="320" height="200" fill="#d8d4ca"/><path d="M120 110l30-34 24 26 14-14 22 22z" fill="#85807a"/>
<text x="160" y="150" text-anchor="middle" font-family="sans-serif" font-size="15" fill="#1b1f24">{}</text></svg>"""


@router.get("/picture")
def picture(request: Request, state: StateDep, person: PersonDep, job: str) -> Response:
    found = state.ledger.job(job)
    person.caller.may_see(found.site_id, f"No job {job!r}.")
    pictures: Pictures = request.app.state.pictures
    started = time.perf_counter()
    try:
        made = pictures.jpeg(state.ledger.get_site(found.site_id), found)
    except NotFound:
        return _drawn(request, NO_BYTES)
    except (FetchError, DecoderUnavailable) as err:
        log.info("picture.not_fetched", job=job, code=err.code, detail=str(err), seconds=round(time.perf_counter() - started, 1))
        return _drawn(request, NOT_FETCHED)
    except ImageError as err:
        log.info("picture.not_shown", job=job, code=err.code, detail=str(err))
        return _drawn(request, NOT_SHOWN)
    return Response(made, media_type="image/jpeg", headers={**HEADERS, "Cache-Control": KEPT})


def _drawn(request: Request, text: str) -> Response:
    drawing = DRAWING.format(escape(language.translator(language.chosen(request))(text)))
    return Response(drawing, 404, media_type="image/svg+xml", headers={**HEADERS, "Cache-Control": "no-store"})
