"""Sign in with an API key, and sign out."""

from __future__ import annotations

import hmac
import math
import re
import time

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.concurrency import run_in_threadpool

from tagger.api import callers
from tagger.api.deps import AppState, StateDep
from tagger.api.pages import session as sessions
from tagger.api.pages.frame import STATIC, PageRoute, page, see
from tagger.api.pages.session import Session
from tagger.api.pages.signed_in import COOKIE, check_origin, door_of, posted
from tagger.errors import Forbidden, NotFound
from tagger.keys import hash_key

router = APIRouter(prefix="/pages", include_in_schema=False, route_class=PageRoute)

FIRST = "jobs"
OWN_PAGE = re.compile(r"(?!log)[a-z-]{1,40}(\?[!-\"$-\[\]-~]{0,2000})?")  # printable ASCII without # and backslash
LONGEST_KEY = 1_000
FILES = ("htmx-2.0.11.min.js", "pages.css", "pages.js", "icon.svg")
FILE_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}  # asked for again, and mostly answered 304


@router.get("/")
def start() -> Response:
    return see(FIRST)


@router.get("/static/{name}")
def file(name: str) -> FileResponse:
    if name not in FILES:
        raise NotFound(f"There is no file {name[:100]!r}.")
    return FileResponse(STATIC / name, headers=FILE_HEADERS)


@router.get("/login")
def login_page(request: Request, next: str = "") -> HTMLResponse:
    return page(request, None, "login.html", target=_own(next), problem="", wait=0)


@router.post("/login")
async def login(request: Request, state: StateDep) -> Response:
    check_origin(request)
    form = await request.form(max_files=0, max_fields=10)
    key, target = str(form.get("key", ""))[:LONGEST_KEY].strip(), _own(str(form.get("next", "")))
    door, address, now = door_of(request), _address(request, state), time.monotonic()
    wait = math.ceil(door.guesses.wait(address, now))
    if wait:
        told = page(request, None, "login.html", 429, target=target, problem="wait", wait=wait)
        told.headers["Retry-After"] = str(wait)
        return told
    session = await run_in_threadpool(_session_of, state, key)
    if session is None:
        door.guesses.wrong(address, now)
        return page(request, None, "login.html", 403, target=target, problem="wrong" if key else "empty", wait=0)
    door.guesses.right(address)
    response = Response(status_code=303, headers={"Location": target, "Cache-Control": "no-store"})
    response.set_cookie(
        COOKIE, sessions.sealed(session, door.secret), max_age=sessions.LIFE_MS // 1000, path=None,
        httponly=True, samesite="strict", secure=_over_https(request),
    )  # fmt: skip
    return response


@router.post("/logout", dependencies=[Depends(posted)])
def logout(request: Request) -> Response:
    response = see("login")
    response.set_cookie(COOKIE, "", max_age=0, path=None, httponly=True, samesite="strict", secure=_over_https(request))
    return response


def _session_of(state: AppState, key: str) -> Session | None:
    now_ms, admin = round(time.time() * 1000), state.settings.admin_key
    if admin is not None and hmac.compare_digest(admin.get_secret_value().encode(), key.encode()):
        return sessions.begin(None, "", now_ms)
    found = state.ledger.find_key(hash_key(key)) if key else None
    return None if found is None else sessions.begin(found.site_id, found.id, now_ms)


def _own(target: str) -> str:
    """Only a page of ours: a link to the login page must not lead elsewhere."""
    return target if OWN_PAGE.fullmatch(target) else FIRST


def _address(request: Request, state: AppState) -> str:
    """Behind a proxy that is not in `trusted_proxies`, all callers are one."""
    try:
        return str(callers.calling_address(request, callers.trusted(state.settings)))
    except Forbidden:
        return request.client.host if request.client is not None else ""


def _over_https(request: Request) -> bool:
    """A caller who forges this header harms only its own cookie."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "") == "https"
