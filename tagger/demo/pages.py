"""The pages of the sample media library: a grid with an upload form, and a page per image with an edit form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from starlette.middleware.base import BaseHTTPMiddleware

from tagger.api.connections import ambiguous
from tagger.asset import Role
from tagger.demo.library import MAX_BYTES, Library, NotAnImage
from tagger.demo.media_store import TEXT_FIELDS, NoSuchAsset
from tagger.demo.routes import check_places, library_of
from tagger.judge.gate import REASONS
from tagger.net import same_origin

router = APIRouter(include_in_schema=False)
TEMPLATES = Jinja2Templates(directory=Path(__file__).with_name("templates"))
LABELS = {"title": "Title", "alt_text": "Alt text", "caption": "Caption"}
TEMPLATES.env.filters["explained"] = lambda reason: REASONS.get(reason, reason)


class OwnPages(BaseHTTPMiddleware):
    """Refuses requests that a page of another site sent through this browser, and requests with two lengths."""

    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if ambiguous(request.scope):
            return PlainTextResponse("The body states two lengths.", status_code=400, headers={"Connection": "close"})
        refused = same_origin.refusal(request.method, request.headers, library_of(request).config.hosts)
        if refused is not None:
            return PlainTextResponse(refused, status_code=403)
        response = await call_next(request)
        response.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        return response


@router.get("/")
def grid(request: Request) -> HTMLResponse:
    library = library_of(request)
    return _page(request, "grid.html", assets=library.store.assets(), writes=library.store.writes()["effective"])


@router.get("/grid")
def grid_alone(request: Request) -> HTMLResponse:
    """The grid without its page, for the script that updates it."""
    return _page(request, "_grid.html", assets=library_of(request).store.assets())


@router.get("/assets/{asset_id}/live")
def asset_alone(request: Request, asset_id: str) -> HTMLResponse:
    """The changing part of the page of an image, for the script that updates it."""
    library = library_of(request)
    return _page(request, "_asset.html", asset=_asset(library, asset_id), locales=library.config.locales)


@router.get("/library.css")
def style() -> Response:
    return Response(Path(__file__).with_name("templates").joinpath("library.css").read_text(), media_type="text/css")


@router.get("/library.js")
def script() -> Response:
    return Response(Path(__file__).with_name("templates").joinpath("library.js").read_text(), media_type="text/javascript")


@router.post("/upload")
async def upload(
    request: Request,
    image: UploadFile,
    role: Annotated[Role, Form()] = "unknown",
    title: Annotated[str, Form()] = "",
    caption: Annotated[str, Form()] = "",
) -> Response:
    library = library_of(request)
    content = await image.read(MAX_BYTES + 1)
    try:
        if len(content) > MAX_BYTES:
            raise NotAnImage
        asset_id = await run_in_threadpool(library.upload, content, image.filename or "", role, title.strip(), caption.strip())
    except NotAnImage:
        message = "That file is not a JPEG, PNG, WebP or GIF picture of at most 32 MB. Nothing was stored."
        return _page(request, "grid.html", 415, assets=library.store.assets(), writes=0, problem=message)
    return RedirectResponse(f"/assets/{asset_id}", status_code=303)


@router.get("/assets/{asset_id}")
def page(request: Request, asset_id: str) -> HTMLResponse:
    library = library_of(request)
    asset, config = _asset(library, asset_id), library.config
    return _page(request, "asset.html", asset=asset, locales=config.locales, tagger_page=config.page_of(asset_id))


@router.post("/assets/{asset_id}/edit")
async def edit(request: Request, asset_id: str) -> Response:
    """Form fields have names such as "alt_text.en". A value that differs from the shown one ("was.alt_text.en") is the editor's.

    A form sends all its fields. If all of them counted as typed, saving a tag would turn tagger's texts into a person's texts.
    """
    library = library_of(request)
    form = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
    texts: dict[tuple[str, str], str] = {}
    for name in TEXT_FIELDS:
        for locale in library.config.locales:
            new, was = form.get(f"{name}.{locale}"), form.get(f"was.{name}.{locale}", "")
            if new is not None and _plain(new) != _plain(was):
                texts[name, locale] = _plain(new)
    check_places(library, texts)
    wanted = {tag.strip() for tag in form.get("tags", "").split(",") if tag.strip()}
    shown = {tag.strip() for tag in form.get("was.tags", "").split(",") if tag.strip()}
    try:
        await run_in_threadpool(library.edit, asset_id, texts, sorted(wanted - shown), sorted(shown - wanted))
    except NoSuchAsset as err:
        raise HTTPException(404, "This image does not exist.") from err
    return RedirectResponse(f"/assets/{asset_id}", status_code=303)


@router.post("/assets/{asset_id}/delete")
def delete(request: Request, asset_id: str) -> Response:
    try:
        library_of(request).store.delete(asset_id)
    except NoSuchAsset as err:
        raise HTTPException(404, "This image does not exist.") from err
    return RedirectResponse("/", status_code=303)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()  # browsers always send CRLF


def _asset(library: Library, asset_id: str) -> dict[str, Any]:
    try:
        return library.store.asset(asset_id)
    except NoSuchAsset as err:
        raise HTTPException(404, "This image does not exist.") from err


def _page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    variables = {"locale": library_of(request).config.locales[0], "labels": LABELS}
    return TEMPLATES.TemplateResponse(request, name, {**variables, **values}, status)
