"""The sites: what each is set to, whether its CMS can be reached, its keys; an operator stops and starts its writes."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from tagger.api.deps import AppState, StateDep
from tagger.api.pages.frame import PageRoute, page, see
from tagger.api.pages.signed_in import PersonDep, PostedDep
from tagger.delivery import Endpoint
from tagger.errors import Forbidden
from tagger.ledger import Usage
from tagger.site import ApiKey, Site

router = APIRouter(prefix="/pages", include_in_schema=False, route_class=PageRoute)


@dataclass(frozen=True, kw_only=True)
class SiteShown:
    site: Site
    endpoint: Endpoint | None
    up: bool  # messages are sent; no: its circuit is open, or it is disabled
    usage: Usage
    keys: list[ApiKey]


@router.get("/sites")
def sites(request: Request, state: StateDep, person: PersonDep) -> HTMLResponse:
    own = person.caller.site_id
    found = state.ledger.sites() if own is None else [state.ledger.get_site(own)]
    up = state.ledger.endpoints_up()
    return page(request, person, "sites.html", sites=[_shown(state, site, up.get(site.id, False)) for site in found])


def _shown(state: AppState, site: Site, up: bool) -> SiteShown:
    ledger = state.ledger
    return SiteShown(
        site=site, endpoint=ledger.endpoint_of(site.id), up=up, usage=ledger.usage(site.id), keys=ledger.keys(site.id)
    )  # fmt: skip


@router.post("/pause-site")
def pause(state: StateDep, posted: PostedDep) -> Response:
    """Stops every write to a site, or starts them again."""
    if not posted.person.is_operator:
        raise Forbidden("Only an operator stops the writes of a site.", "Ask the operator.")
    site, paused = posted.text("site"), posted.text("to") == "pause"
    with state.ledger.audited(posted.person.caller.acts("site.paused" if paused else "site.resumed", site)):
        state.ledger.pause_writes(site, paused)
    return see("sites")
