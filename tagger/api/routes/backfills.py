"""Backfills over the library of a site's CMS: start, watch, pause, resume, cancel, undo; and the report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from tagger.api import backfill_models
from tagger.api.deps import AppState, Caller, CallerDep, StateDep
from tagger.api.response_models import answered
from tagger.api.shapes import BackfillIn, UndoIn
from tagger.audit_entry import Action
from tagger.backfill import Backfill, BackfillStatus
from tagger.errors import BadRequest, Pointer
from tagger.services.backfill.cost import of_rehearsal
from tagger.services.backfill.plan import Wanted, plan_library, plan_undo
from tagger.services.backfill.progress import progress, source_of
from tagger.services.backfill.report import of_asset
from tagger.services.backfill.undo import rehearse_page

router = APIRouter(tags=["backfills"])

Cursor = Annotated[str | None, Query(description="`next_cursor` of the previous page.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Assets; each has a line for each field.")]
STARTED: dict[int | str, dict[str, Any]] = {201: {"model": backfill_models.BackfillOut}}


@router.post("/v1/backfills", status_code=201, summary="Start a backfill over the library of a site's CMS", responses=STARTED)
def start(body: BackfillIn, state: StateDep, caller: CallerDep) -> JSONResponse:
    """With `dry_run`, the images are described, nothing is written, and the report shows what would be."""
    site_id = body.site or caller.site_id
    if site_id is None:
        raise BadRequest("The operator's key belongs to no site.", "Name a `site`.", errors=(Pointer(pointer="/site"),))
    caller.may_see(site_id, f"No site {site_id!r}.")
    wanted = Wanted(**body.model_dump(exclude={"site", "window"}))
    plan = plan_library(state.ledger, state.ledger.get_site(site_id), wanted, window=body.window or state.settings.window)
    source = source_of(plan.spec, plan.kind)
    with state.ledger.audited(caller.acts("backfill.started", site_id, backfill=plan.id, source=source, dry_run=body.dry_run)):
        state.ledger.start_backfill(plan)
    return _created(state, plan.id)


@router.get(
    "/v1/backfills", summary="Backfills, newest first", responses=answered(backfill_models.BackfillList), response_model=None
)
def list_backfills(state: StateDep, caller: CallerDep, status: BackfillStatus | None = None) -> dict[str, Any]:
    found = state.ledger.backfills(status=status)
    now_ms = state.ledger.now_ms()
    mine = [progress(one, now_ms) for one in found if caller.site_id in (None, one.site_id)]
    return {"data": mine, "next_cursor": None}


@router.get(
    "/v1/backfills/{backfill_id}",
    summary="The progress of a backfill",
    responses=answered(backfill_models.BackfillOut),
    response_model=None,
)
def get_backfill(backfill_id: str, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    return progress(_seen(state, caller, backfill_id), state.ledger.now_ms())


@router.get(
    "/v1/backfills/{backfill_id}/report",
    summary="What became of each asset; of a dry run, what would",
    responses=answered(backfill_models.BackfillReport),
    response_model=None,
)
def report(
    backfill_id: str,
    state: StateDep,
    caller: CallerDep,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    backfill = _seen(state, caller, backfill_id)
    named = state.ledger.backfill(backfill.undoes) if backfill.undoes else backfill
    page = state.ledger.backfill_results(named.id, cursor=cursor, limit=limit)
    found = [line.row() for result in page.data for line in of_asset(state.ledger, named, result)]
    seconds = (state.ledger.now_ms() - backfill.started_ms) / 1000
    cost = asdict(of_rehearsal(backfill, seconds)) if backfill.rehearses else None
    return {"data": found, "next_cursor": page.next_cursor, "cost": cost}


@router.post(
    "/v1/backfills/{backfill_id}/undo",
    status_code=201,
    summary="Put back what a backfill replaced, where its text still stands",
    responses={**STARTED, 200: {"model": backfill_models.UndoReport, "description": "With `dry_run`: what would be put back."}},
)
def undo(
    backfill_id: str, body: UndoIn, state: StateDep, caller: CallerDep, cursor: Cursor = None, limit: Limit = 50
) -> JSONResponse:
    """A dry run answers page by page, as the report does. `cursor` and `limit` belong to it alone."""
    _seen(state, caller, backfill_id)
    plan = plan_undo(state.ledger, backfill_id, window=state.settings.window)
    if body.dry_run:
        page = rehearse_page(state.ledger, state.ledger.backfill(backfill_id), cursor=cursor, limit=limit)
        found = [line.row() for line in page.data]
        return JSONResponse({"undoes": backfill_id, "data": found, "next_cursor": page.next_cursor})
    with state.ledger.audited(caller.acts("backfill.undone", plan.site_id, backfill=backfill_id, undo=plan.id)):
        state.ledger.start_backfill(plan)
    return _created(state, plan.id)


@router.post(
    "/v1/backfills/{backfill_id}/pause",
    summary="Pause a backfill",
    responses=answered(backfill_models.BackfillOut),
    response_model=None,
)
def pause(backfill_id: str, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    """Images that are being described finish; the others wait."""
    return _set(state, caller, backfill_id, "paused", "backfill.paused")


@router.post(
    "/v1/backfills/{backfill_id}/resume",
    summary="Resume a backfill",
    responses=answered(backfill_models.BackfillOut),
    response_model=None,
)
def resume(backfill_id: str, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    return _set(state, caller, backfill_id, "running", "backfill.resumed")


@router.post(
    "/v1/backfills/{backfill_id}/cancel",
    summary="Cancel a backfill",
    responses=answered(backfill_models.BackfillOut),
    response_model=None,
)
def cancel(backfill_id: str, state: StateDep, caller: CallerDep) -> dict[str, Any]:
    """Its waiting jobs are cancelled. It cannot be resumed."""
    return _set(state, caller, backfill_id, "cancelled", "backfill.cancelled")


def _set(state: AppState, caller: Caller, backfill_id: str, status: BackfillStatus, action: Action) -> dict[str, Any]:
    backfill = _seen(state, caller, backfill_id)
    with state.ledger.audited(caller.acts(action, backfill.site_id, backfill=backfill_id)):
        state.ledger.set_backfill_status(backfill_id, status)
    return progress(state.ledger.backfill(backfill_id), state.ledger.now_ms())


def _seen(state: AppState, caller: Caller, backfill_id: str) -> Backfill:
    backfill = state.ledger.backfill(backfill_id)
    caller.may_see(backfill.site_id, f"There is no backfill {backfill_id!r}.")
    return backfill


def _created(state: AppState, backfill_id: str) -> JSONResponse:
    body = progress(state.ledger.backfill(backfill_id), state.ledger.now_ms())
    return JSONResponse(body, 201, headers={"Location": f"/v1/backfills/{backfill_id}"})
