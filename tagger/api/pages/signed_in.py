"""What a page depends on: the person who is signed in, and what their form sent."""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile

from tagger.api.deps import AppState, Caller, StateDep
from tagger.api.pages import session as sessions
from tagger.api.pages.guesses import Guesses
from tagger.api.pages.session import Session
from tagger.errors import BadRequest, Forbidden
from tagger.net import same_origin

COOKIE = "tagger_session"
TOKEN = "csrf"  # noqa: S105 - the name of a form's field
STALE = "The form belongs to another session. Nothing was changed."
MOST_FIELDS = 1_000


class SignInFirst(Exception):
    """`from_elsewhere`: the browser came by a link of another site, with which it sends no cookie of SameSite=Strict."""

    def __init__(self, from_elsewhere: bool) -> None:
        super().__init__()
        self.from_elsewhere = from_elsewhere


@dataclass(frozen=True, kw_only=True)
class Door:
    """What signing in needs; one for each API process."""

    secret: bytes  # signs the sessions
    guesses: Guesses


@dataclass(frozen=True, kw_only=True)
class Person:
    caller: Caller
    form_token: str

    @property
    def is_operator(self) -> bool:
        return self.caller.site_id is None

    def narrowed(self, site: str | None) -> str | None:
        """The site that a page is about; an empty choice of a form means all."""
        return self.caller.narrowed(site or None)


@dataclass(frozen=True, kw_only=True)
class Posted:
    """The fields of a form that this session's page sent."""

    person: Person
    form: FormData

    def text(self, name: str, most: int = 10_000) -> str:
        value = self.form.get(name, "")
        if not isinstance(value, str) or len(value) > most:
            raise BadRequest(f"The field {name} is too long, or is no text.")
        return value

    def texts(self, name: str) -> Sequence[str]:
        return [value for value in self.form.getlist(name) if isinstance(value, str)]

    def file(self, name: str) -> UploadFile | None:
        value = self.form.get(name)
        return value if isinstance(value, UploadFile) else None


def door_of(request: Request) -> Door:
    door: Door = request.app.state.door
    return door


def person(request: Request, state: StateDep) -> Person:
    """Errors: SignInFirst."""
    session = _session(request, state)
    if session is None:
        raise SignInFirst(request.headers.get("sec-fetch-site") == "cross-site")
    found = Person(
        caller=Caller(site_id=session.site_id, key_id=session.key_id),
        form_token=sessions.form_token(session, door_of(request).secret),
    )
    request.scope["tagger.person"] = found
    if session.site_id is not None:
        request.scope["tagger.ids"]["site"] = session.site_id
    return found


def _session(request: Request, state: AppState) -> Session | None:
    session = sessions.opened(request.cookies.get(COOKIE, ""), door_of(request).secret, round(time.time() * 1000))
    return session if session is not None and _stands(session, state) else None


def _stands(session: Session, state: AppState) -> bool:
    """Whether the key of the session is still valid."""
    if session.site_id is None:
        return state.settings.admin_key is not None
    return any(key.id == session.key_id and key.revoked_ms is None for key in state.ledger.keys(session.site_id))


def check_origin(request: Request) -> None:
    """A page of another site must not send our forms. Names are not compared with a list: under a name that somebody gave this
    machine, the browser has no cookie of ours. Errors: Forbidden."""
    name = same_origin.host_of(request.headers.get("host", ""))
    refused = same_origin.refusal(request.method, request.headers, {name} - {""})
    if refused is not None:
        raise Forbidden(refused, "Open the page by its own address. A proxy must pass the header Host on unchanged.")


PersonDep = Annotated[Person, Depends(person)]


async def posted(request: Request, person: PersonDep) -> AsyncIterator[Posted]:
    """Errors: Forbidden where the form is not of this session's own page."""
    check_origin(request)
    async with request.form(max_files=1, max_fields=MOST_FIELDS) as form:
        token = form.get(TOKEN, "")
        if not isinstance(token, str) or not hmac.compare_digest(token.encode(), person.form_token.encode()):
            raise Forbidden(STALE, "Load the page again, and send it again.")
        yield Posted(person=person, form=form)


PostedDep = Annotated[Posted, Depends(posted)]
