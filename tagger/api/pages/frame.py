"""What all pages share: their look and language, their headers, and an error as a page that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from tagger.api.pages import language, shown
from tagger.api.pages.signed_in import Person, SignInFirst
from tagger.errors import BadRequest, TaggerError, Unauthorized
from tagger.validation_text import fault_text

log = structlog.get_logger()

HERE = Path(__file__).parent
STATIC = HERE / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with `no-referrer`, a browser sends `Origin: null` with a form
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PAGES = (
    ("jobs", "Images"),
    ("deliveries", "Deliveries"),
    ("dead-letters", "Dead letters"),
    ("backfills", "Backfills"),
    ("sites", "Sites"),
    ("try-it", "Try it"),
)
ENVIRONMENT = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
ENVIRONMENT.globals |= {"address": lambda page, **query: address(page, query), "pages": PAGES}
ENVIRONMENT.globals |= {"labels": shown.LABELS, "rules_why": shown.RULES_WHY}
ENVIRONMENT.filters |= {"instant": shown.instant, "machine_instant": shown.machine_instant, "percent": shown.percent}


def address(page: str, query: dict[str, Any]) -> str:
    """Relative, so that it works below a proxy's prefix: all pages are in one folder. What is empty is left out."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return page + ("?" + urlencode(given) if given else "")


def page(request: Request, person: Person | None, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    lang = language.chosen(request)
    here = request.url.path.rpartition("/")[2]
    known = {
        "t": language.translator(lang),
        "lang": lang,
        "languages": _switch(request, here),
        "person": person,
        "here": here,
    }
    text = ENVIRONMENT.get_template(template).render({**known, **values})
    response = HTMLResponse(text, status, headers=HEADERS)
    language.keep(request, response)
    return response


def _switch(request: Request, here: str) -> list[tuple[str, str, str]]:
    """Code, name and address of this page in each language. The answer to a form has no address of its own."""
    if request.method != "GET":
        return []
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    return [(code, name, here + "?" + urlencode([*kept, ("lang", code)])) for code, name in language.NAMES.items()]


def see(name: str, **query: Any) -> Response:
    """After a form: show this page, so that a reload sends nothing again."""
    return Response(status_code=303, headers={"Location": address(name, query), **HEADERS})


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A person gets a page where a program would get problem+json."""

    def get_route_handler(self) -> Handler:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except SignInFirst as err:
                return _to_sign_in(request, err)
            except RequestValidationError as err:
                fault = err.errors()[0]
                return error_page(request, BadRequest(f"{fault['loc'][-1]}: {fault_text(fault)}"))
            except TaggerError as err:
                return error_page(request, err)
            except HTTPException as err:  # such as a form that cannot be read
                return error_page(request, BadRequest(err.detail))
            except Exception as err:
                log.error("page.failed", path=request.url.path, exc_info=err)
                return error_page(request, TaggerError("An unexpected error. The log holds it under the id of this request."))

        return handle


def error_page(request: Request, error: TaggerError) -> HTMLResponse:
    info = error.info()
    person = request.scope.get("tagger.person")
    template = "_problem.html" if request.headers.get("hx-request") == "true" else "problem.html"
    return page(request, person, template, info.status, info=info, request_id=request.scope.get("tagger.request_id", ""))


def _to_sign_in(request: Request, err: SignInFirst) -> Response:
    here = request.url.path.rpartition("/")[2]
    target = here + ("?" + request.url.query if request.url.query else "")
    if request.headers.get("hx-request") == "true":  # a part of a page: the whole page leaves
        return Response(status_code=401, headers={"HX-Redirect": "login", **HEADERS})
    if err.from_elsewhere and request.method == "GET":
        return page(request, None, "again.html", target=target)
    if request.method == "GET":
        return see("login", next=target)
    return error_page(request, Unauthorized("You are no longer signed in. Nothing was changed.", "Sign in and try again."))
