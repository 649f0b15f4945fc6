"""Messages to the CMS, newest first; parked ones can be sent now."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from tagger.api.deps import StateDep
from tagger.api.pages.choices import offered_sites, one_of
from tagger.api.pages.frame import PageRoute, page, see
from tagger.api.pages.signed_in import PersonDep, PostedDep
from tagger.delivery import DeliveryStatus
from tagger.errors import BadRequest

router = APIRouter(prefix="/pages", include_in_schema=False, route_class=PageRoute)

LIMIT = 50


@router.get("/deliveries")
def deliveries(
    request: Request, state: StateDep, person: PersonDep, site: str = "", status: str = "", cursor: str = "", sent: int = -1
) -> HTMLResponse:
    found = state.ledger.deliveries(
        site_id=person.narrowed(site), status=one_of(status, get_args(DeliveryStatus)), cursor=cursor or None, limit=LIMIT
    )
    return page(
        request, person, "deliveries.html", deliveries=found.data, next_cursor=found.next_cursor, sent=sent,
        chosen={"site": site, "status": status}, sites=offered_sites(state, person),
    )  # fmt: skip


@router.post("/send-deliveries")
def send(state: StateDep, posted: PostedDep) -> Response:
    """All parked deliveries of one site: they wait for the same endpoint."""
    caller = posted.person.caller
    site_id = posted.person.narrowed(posted.text("site"))
    if site_id is None:
        raise BadRequest("No site is chosen.", "Choose a site in the list's filter, then send again.")
    with state.ledger.audited(caller.acts("delivery.replayed", site_id)):
        released = state.ledger.replay_parked(site_id=site_id)
    return see("deliveries", site=posted.text("site"), sent=sum(released.values()))
