"""Every error leaves as problem+json (RFC 9457) in the one shape of `ErrorInfo`, with the request's id."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route

from tagger.errors import (
    BadRequest,
    BodyTooLarge,
    Forbidden,
    NotFound,
    Pointer,
    QuotaExceeded,
    StorageUnavailable,
    TaggerError,
    TooManyBodies,
    Unauthorized,
    Unavailable,
)
from tagger.validation_text import fault_text

log = structlog.get_logger()

POINTERS = 20  # of a body in which everything is wrong
SHORT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
MEDIA_TYPE = "application/problem+json"


def install(app: FastAPI) -> None:
    app.add_exception_handler(TaggerError, _tagger_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(OSError, _system_error)
    app.add_exception_handler(Exception, _unexpected)


def respond(request: Request, error: TaggerError, status: int | None = None) -> JSONResponse:
    info = error.info()
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, (Unavailable, TooManyBodies)):
        headers["Retry-After"] = "2"
    if isinstance(error, QuotaExceeded):
        headers["Retry-After"] = str(error.retry_after)
    body = {**info.to_dict(), "request_id": request.scope.get("tagger.request_id", "")}
    if status is not None:
        body["status"] = status
    return JSONResponse(body, status_code=status or info.status, media_type=MEDIA_TYPE, headers=headers)


async def _tagger_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TaggerError)
    if error.status >= 500:
        log.warning("api.error", code=error.code, detail=str(error), path=request.url.path)
    return respond(request, error)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    pointers = tuple(_pointer(e) for e in error.errors()[:POINTERS])
    return respond(
        request, BadRequest("; ".join(f"{p.pointer or 'the body'}: {p.detail}" for p in pointers[:5]), errors=pointers)
    )


def _pointer(error: Mapping[str, Any]) -> Pointer:
    location: Sequence[Any] = error["loc"]
    path = location[1:] if location and location[0] in ("body", "query", "path", "header") else location
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)  # RFC 6901
    return Pointer(pointer="".join("/" + part for part in parts), detail=fault_text(error))


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    """Starlette's own refusals: an unknown path, a method that a path does not have, a body that does not parse."""
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    by_status: dict[int, TaggerError] = {
        401: Unauthorized(detail),
        403: Forbidden(detail),
        404: NotFound(f"There is no route {request.url.path}."),
        413: BodyTooLarge(detail),
    }
    response = respond(request, by_status.get(error.status_code, BadRequest(detail)), error.status_code)
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(_methods(request))
    return response


async def _system_error(request: Request, error: Exception) -> JSONResponse:
    """A large body waits in a temporary file. Where the disk or the machine is short of something, the caller may try again."""
    assert isinstance(error, OSError)
    if error.errno not in SHORT:
        return await _unexpected(request, error)
    return await _tagger_error(request, StorageUnavailable(f"The machine of the API lacks a resource: {error.strerror}."))


def _methods(request: Request) -> list[str]:
    """Of all routes at the address: Starlette's own answer names those of the first alone."""
    routes = [route for route in _flat(request.app.routes) if route.matches(request.scope)[0] != Match.NONE]
    named = [route for route in routes if "{" not in route.path]  # /v1/deliveries/replay is no delivery's address
    return sorted({method for route in named or routes for method in route.methods or ()})


def _flat(routes: Sequence[BaseRoute]) -> Iterator[Route]:
    """FastAPI keeps the routes of an included router in that router."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        elif router := getattr(route, "original_router", None):
            yield from _flat(router.routes)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("api.unexpected", path=request.url.path, exc_info=error)
    return respond(request, TaggerError("An unexpected error. The log holds it under the id of this request."))
