"""What ended badly, each with its cause and what to do: try again, or (an operator) discard."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from tagger.api.deps import AppState, StateDep
from tagger.api.pages.choices import offered_sites
from tagger.api.pages.frame import PageRoute, page, see
from tagger.api.pages.signed_in import PersonDep, Posted, PostedDep
from tagger.audit_entry import of_many
from tagger.errors import BadRequest, Forbidden, TaggerError
from tagger.services import dead_letters
from tagger.services.dead_letters import LetterFilter
from tagger.services.list_filters import check_error_code

router = APIRouter(prefix="/pages", include_in_schema=False, route_class=PageRoute)

LIMIT = 50


@router.get("/dead-letters")
def letters(
    request: Request, state: StateDep, person: PersonDep, site: str = "", reason: str = "", cursor: str = "",
    did: str = "", number: int = 0,
) -> HTMLResponse:  # fmt: skip
    check_error_code(reason or None)
    found = state.ledger.dead_letters(site_id=person.narrowed(site), code=reason or None, cursor=cursor or None, limit=LIMIT)
    return page(
        request, person, "dead_letters.html", letters=found.data, next_cursor=found.next_cursor, did=did, number=number,
        chosen={"site": site, "reason": reason}, sites=offered_sites(state, person),
        codes={code: kind.title for code, kind in sorted(TaggerError.by_code().items())},
    )  # fmt: skip


@router.post("/replay-dead-letters")
def replay(state: StateDep, posted: PostedDep) -> Response:
    ids, site_id = _own(state, posted)
    with state.ledger.audited(posted.person.caller.acts("dead_letter.replayed", site_id, **of_many(ids))):
        number = dead_letters.replay(state.ledger, LetterFilter(ids=ids, site_id=site_id))
    return see("dead-letters", site=posted.text("site"), reason=posted.text("reason"), did="replayed", number=number)


@router.post("/discard-dead-letters")
def discard(state: StateDep, posted: PostedDep) -> Response:
    if not posted.person.is_operator:
        raise Forbidden("Only an operator discards dead letters.", "Try them again, or ask the operator.")
    ids, site_id = _own(state, posted)
    with state.ledger.audited(posted.person.caller.acts("dead_letter.discarded", site_id, **of_many(ids))):
        number = state.ledger.discard(ids)
    return see("dead-letters", site=posted.text("site"), reason=posted.text("reason"), did="discarded", number=number)


def _own(state: AppState, posted: Posted) -> tuple[list[str], str | None]:
    """The chosen letters that this person may act on. Errors: BadRequest where there is none."""
    ids = list(dict.fromkeys(posted.texts("id")))[:LIMIT]
    if not ids:
        raise BadRequest("Nothing is chosen.", "Mark at least one entry, then try again.")
    site_id = posted.person.narrowed(posted.text("site"))
    chosen = dead_letters.selected(state.ledger, LetterFilter(ids=ids, site_id=site_id))
    if not chosen:  # no ids at all would mean every dead letter
        raise BadRequest("What you chose is not in the list any more.", "Load the list again.")
    return [letter.id for letter in chosen], site_id
