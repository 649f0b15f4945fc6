"""Sites: the operator's key adds and lists them; a site's own key reads its own."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from tagger import serializers
from tagger.api import answers
from tagger.api.answers import answered
from tagger.api.deps import AppState, CallerDep, OperatorDep, StateDep
from tagger.api.shapes import SiteIn
from tagger.delivery import Endpoint
from tagger.errors import BadRequest, Pointer
from tagger.ids import new_id
from tagger.net.addresses import PRIVATE, unreachable
from tagger.net.signing import new_secret
from tagger.site import Site

router = APIRouter(tags=["sites"])


def _body(state: AppState, site: Site) -> dict[str, Any]:
    endpoint = state.ledger.endpoint_of(site.id)
    shown = None if endpoint is None else {"id": endpoint.id, "url": endpoint.url, "enabled": endpoint.enabled}
    return serializers.site(site, shown, *state.ledger.capabilities_of(site.id))


@router.get("/v1/sites", summary="The sites that the key may read", responses=answered(answers.SiteList), response_model=None)
def list_sites(state: StateDep, caller: CallerDep) -> dict[str, Any]:
    sites = state.ledger.sites() if caller.site_id is None else [state.ledger.get_site(caller.site_id)]
    return {"data": [_body(state, site) for site in sites], "next_cursor": None}


@router.get("/v1/sites/{site_id}", summary="One site", responses=answered(answers.SiteOut), response_model=None)
def get_site(site_id: str, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    caller.may_see(site_id, f"No site {site_id!r}.")
    return _body(state, state.ledger.get_site(site_id))


@router.post(
    "/v1/sites",
    status_code=201,
    summary="Add a site; the answer shows its secrets, once",
    responses={201: {"model": answers.SiteAdded}},
)
def add_site(body: SiteIn, state: StateDep, _operator: OperatorDep) -> JSONResponse:
    _check(state, body)
    hook_secret = new_secret()
    site = Site(
        id=body.id,
        name=body.name,
        profile=state.catalog.require(body.profile).name,
        locales=tuple(body.locales),
        vocabulary=body.vocabulary,
        allowed_hosts=tuple(body.allowed_hosts),
        hook_secrets=(hook_secret,),
        tell_unwritten=body.tell_unwritten,
        tell_failed=body.tell_failed,
    )
    state.ledger.add_site(site)
    secrets = {"hook_secret": hook_secret, "callback_secret": None}
    if body.endpoint is not None:
        callback_secret = new_secret()
        secrets["callback_secret"] = callback_secret
        state.ledger.put_endpoint(
            Endpoint(
                id=new_id("end"),
                site_id=site.id,
                url=body.endpoint.url,
                secrets=(callback_secret,),
                allow_private=body.endpoint.allow_private,
            )
        )
    return JSONResponse({**_body(state, site), **secrets}, 201, headers={"Location": f"/v1/sites/{site.id}"})


def _check(state: AppState, body: SiteIn) -> None:
    """What could only fail later, with each job or delivery, is refused here. Errors: BadRequest."""
    if body.vocabulary is not None and body.vocabulary not in state.catalog.vocabularies:
        known = f"Choose one of: {', '.join(sorted(state.catalog.vocabularies))}."
        raise BadRequest(f"There is no vocabulary {body.vocabulary!r}.", known, errors=(Pointer(pointer="/vocabulary"),))
    kind = unreachable(body.endpoint.url, body.endpoint.allow_private) if body.endpoint else None
    if kind is not None:
        meant = "Set `allow_private` if that is meant."
        remedy = meant if kind in PRIVATE else "Name another address; this one is never allowed."
        raise BadRequest(f"The endpoint is at a {kind} address.", remedy, errors=(Pointer(pointer="/endpoint/url"),))
