"""Backfills with their progress, which is kept fresh; pause, resume, cancel."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from tagger.api.deps import AppState, StateDep
from tagger.api.pages.choices import one_of
from tagger.api.pages.frame import PageRoute, page, see
from tagger.api.pages.signed_in import Person, PersonDep, PostedDep
from tagger.audit_entry import Action
from tagger.backfill import Backfill, BackfillStatus
from tagger.errors import NotFound
from tagger.services.backfill.progress import progress

router = APIRouter(prefix="/pages", include_in_schema=False, route_class=PageRoute)

SHOWN = 50
MOVES: Mapping[str, tuple[BackfillStatus, Action]] = {
    "pause": ("paused", "backfill.paused"),
    "resume": ("running", "backfill.resumed"),
    "cancel": ("cancelled", "backfill.cancelled"),
}


@router.get("/backfills")
def backfills(request: Request, state: StateDep, person: PersonDep) -> HTMLResponse:
    now_ms = state.ledger.now_ms()
    mine = [one for one in state.ledger.backfills() if person.caller.site_id in (None, one.site_id)]
    shown = [progress(one, now_ms) for one in mine[:SHOWN]]
    return page(request, person, "backfills.html", backfills=shown, left_out=max(0, len(mine) - SHOWN))


@router.get("/backfill-progress")
def figures(request: Request, state: StateDep, person: PersonDep, id: str, shown: str = "") -> HTMLResponse:
    """The figures of one backfill, for the page that shows it. `shown`: the state that the page has."""
    found = progress(_seen(state, person, id), state.ledger.now_ms())
    response = page(request, person, "_progress.html", one=found)
    if found["status"] != shown:  # its buttons change too
        response.headers["HX-Refresh"] = "true"
    return response


@router.post("/move-backfill")
def move(state: StateDep, posted: PostedDep) -> Response:
    backfill = _seen(state, posted.person, posted.text("id"))
    word = one_of(posted.text("to"), tuple(MOVES))
    if word is None:
        raise NotFound("The form names no action.")
    status, action = MOVES[word]
    with state.ledger.audited(posted.person.caller.acts(action, backfill.site_id, backfill=backfill.id)):
        state.ledger.set_backfill_status(backfill.id, status)
    return see("backfills")


def _seen(state: AppState, person: Person, backfill_id: str) -> Backfill:
    backfill = state.ledger.backfill(backfill_id)
    person.caller.may_see(backfill.site_id, f"There is no backfill {backfill_id!r}.")
    return backfill
