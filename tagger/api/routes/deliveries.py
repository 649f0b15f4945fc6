"""Deliveries and their attempts; dead letters and their replay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query

from tagger import serializers
from tagger.api import response_models
from tagger.api.deps import Caller, CallerDep, Cursor, StateDep
from tagger.api.response_models import answered
from tagger.api.shapes import ReplayDeliveriesIn, ReplayIn, Since
from tagger.audit_entry import of_many
from tagger.delivery import DeliveryStatus
from tagger.errors import BadRequest, Pointer
from tagger.instants import parse_instant
from tagger.services import dead_letters
from tagger.services.dead_letters import LetterFilter
from tagger.services.list_filters import check_error_code
from tagger.services.parked import not_parked

router = APIRouter(tags=["deliveries"])

Limit = Annotated[int, Query(ge=1, le=200)]
SiteQuery = Annotated[str | None, Query(description="Only of this site. The operator's key reads all sites.")]


@router.get(
    "/v1/deliveries", summary="Deliveries, newest first", responses=answered(response_models.DeliveryList), response_model=None
)
def list_deliveries(
    state: StateDep,
    caller: CallerDep,
    status: DeliveryStatus | None = None,
    site: SiteQuery = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    page = state.ledger.deliveries(site_id=caller.narrowed(site), status=status, cursor=cursor, limit=limit)
    return {"data": [serializers.delivery(delivery) for delivery in page.data], "next_cursor": page.next_cursor}


@router.get(
    "/v1/deliveries/{delivery_id}", summary="One delivery", responses=answered(response_models.DeliveryOut), response_model=None
)
def get_delivery(delivery_id: str, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    delivery = state.ledger.delivery(delivery_id)
    caller.may_see(delivery.site_id, f"There is no delivery {delivery_id!r}.")
    return serializers.delivery(delivery)


@router.get(
    "/v1/deliveries/{delivery_id}/attempts",
    summary="The attempts of a delivery, oldest first",
    responses=answered(response_models.AttemptList),
    response_model=None,
)
def list_attempts(delivery_id: str, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    caller.may_see(state.ledger.delivery(delivery_id).site_id, f"There is no delivery {delivery_id!r}.")
    return {"data": [serializers.attempt(attempt) for attempt in state.ledger.attempts(delivery_id)], "next_cursor": None}


@router.post(
    "/v1/deliveries/replay",
    summary="Send parked deliveries now and enable their endpoint, or send unconfirmed ones again",
    responses=answered(response_models.Replayed),
    response_model=None,
)
def replay_deliveries(body: ReplayDeliveriesIn, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    """All deliveries that wait for the same endpoint are sent too."""
    site_id = _site_to_replay(body, caller, "deliveries")
    if body.unconfirmed:
        if site_id is None or body.ids or body.reason:
            fault = (Pointer(pointer="/unconfirmed"),)
            raise BadRequest("`unconfirmed` goes with `site` and `since` alone, and needs `site`.", errors=fault)
        with state.ledger.audited(caller.acts("delivery.replayed", site_id, unconfirmed=True, since=body.since)):
            return {"replayed": state.ledger.replay_unconfirmed(site_id, since_ms=parse_instant(body.since))}
    refused = {one: why for one in dict.fromkeys(body.ids) if (why := not_parked(state.ledger, one, site_id))}
    asked = {"since": body.since, "reason": body.reason, **of_many(body.ids)}
    with state.ledger.audited(caller.acts("delivery.replayed", site_id, **asked)):
        released = state.ledger.replay_parked(body.ids, site_id=site_id, since_ms=parse_instant(body.since), code=body.reason)
    return {"replayed": sum(released.values()), **_told(refused)}


@router.get(
    "/v1/dead-letters",
    summary="Failed jobs and deliveries, each with its cause",
    responses=answered(response_models.DeadLetterList),
    response_model=None,
)
def list_dead_letters(
    state: StateDep,
    caller: CallerDep,
    since: Since | None = None,
    reason: str | None = None,
    site: SiteQuery = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    check_error_code(reason)
    page = state.ledger.dead_letters(
        site_id=caller.narrowed(site), since_ms=parse_instant(since), code=reason, cursor=cursor, limit=limit
    )
    return {"data": [serializers.dead_letter(letter) for letter in page.data], "next_cursor": page.next_cursor}


@router.post(
    "/v1/dead-letters/replay",
    summary="Replay dead letters",
    responses=answered(response_models.Replayed),
    response_model=None,
)
def replay(body: ReplayIn, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    site_id = _site_to_replay(body, caller, "dead letters")
    chosen = LetterFilter(ids=body.ids, site_id=site_id, since_ms=parse_instant(body.since), code=body.reason)
    before = {letter.id for letter in dead_letters.selected(state.ledger, chosen)} if body.ids else set()
    asked = {"since": body.since, "reason": body.reason, **of_many(body.ids)}
    with state.ledger.audited(caller.acts("dead_letter.replayed", site_id, **asked)):
        replayed = dead_letters.replay(state.ledger, chosen)
    refused = dead_letters.refusals(state.ledger, body.ids, before, site_id=site_id)
    return {"replayed": replayed, **_told(refused)}


def _told(refused: Mapping[str, str]) -> dict[str, Any]:
    """Only where there is something to tell."""
    return {"not_replayed": [{"id": one, "reason": why} for one, why in refused.items()]} if refused else {}


def _site_to_replay(body: ReplayIn, caller: Caller, what: str) -> str | None:
    """The site whose `what` are replayed; None for all sites. Errors: BadRequest for another site, or where nothing is chosen."""
    check_error_code(body.reason)
    site_id = caller.site_id or body.site
    if body.site not in (None, site_id):
        raise BadRequest(f"A site's key replays only its own {what}.", errors=(Pointer(pointer="/site"),))
    if not (body.ids or site_id or body.since or body.reason):
        raise BadRequest("Nothing selects deliveries; give ids, site, since or reason.", errors=(Pointer(pointer=""),))
    return site_id
