"""Sites: the operator's key adds and lists them; a site's own key reads its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from tagger import serializers
from tagger.api import response_models
from tagger.api.deps import AppState, CallerDep, OperatorDep, StateDep
from tagger.api.response_models import answered
from tagger.api.shapes import SiteIn
from tagger.services import sites
from tagger.site import Site

router = APIRouter(tags=["sites"])


def _body(state: AppState, site: Site) -> dict[str, Any]:
    endpoint = state.ledger.endpoint_of(site.id)
    shown = None if endpoint is None else {"id": endpoint.id, "url": endpoint.url, "enabled": endpoint.enabled}
    used = asdict(state.ledger.usage(site.id))
    return {**serializers.site(site, shown, *state.ledger.capabilities_of(site.id)), **used}


@router.get(
    "/v1/sites", summary="The sites that the key may read", responses=answered(response_models.SiteList), response_model=None
)
def list_sites(state: StateDep, caller: CallerDep) -> dict[str, Any]:
    visible = state.ledger.sites() if caller.site_id is None else [state.ledger.get_site(caller.site_id)]
    return {"data": [_body(state, site) for site in visible], "next_cursor": None}


@router.get("/v1/sites/{site_id}", summary="One site", responses=answered(response_models.SiteOut), response_model=None)
def get_site(site_id: str, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    caller.may_see(site_id, f"No site {site_id!r}.")
    return _body(state, state.ledger.get_site(site_id))


@router.post(
    "/v1/sites",
    status_code=201,
    summary="Add a site; the answer shows its secrets, once",
    responses={201: {"model": response_models.SiteAdded}},
)
def add_site(body: SiteIn, state: StateDep, operator: OperatorDep) -> JSONResponse:
    wanted = Site(
        id=body.id,
        name=body.name,
        cms=body.cms,
        profile=body.profile,
        locales=tuple(body.locales),
        vocabulary=body.vocabulary,
        allowed_hosts=tuple(body.allowed_hosts),
        tell_unwritten=body.tell_unwritten,
        tell_failed=body.tell_failed,
        max_open_jobs=body.max_open_jobs,
        max_bytes_a_day=body.max_bytes_a_day,
    )
    url, private = (body.endpoint.url, body.endpoint.allow_private) if body.endpoint else (None, False)
    with state.ledger.audited(operator.acts("site.added", body.id, endpoint=url)):
        added = sites.add_site(state.ledger, state.catalog, wanted, url, allow_private=private)
    secrets = {"hook_secret": added.hook_secret, "callback_secret": added.callback_secret}
    return JSONResponse({**_body(state, added.site), **secrets}, 201, headers={"Location": f"/v1/sites/{added.site.id}"})
