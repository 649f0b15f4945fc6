"""`/docs` and `/redoc`: the API's description to read and to try, without a script or a style from anybody else's server.

Swagger UI and Redoc come from the package `fastapi-standalone-docs`. FastAPI's own pages load them from a CDN: they are blank
where there is no internet, and tell the CDN who reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import fastapi_standalone_docs
from fastapi import APIRouter
from fastapi.responses import FileResponse

from tagger.errors import NotFound

OWN = Path(__file__).parents[1] / "pages" / "static"
PACKAGED = Path(fastapi_standalone_docs.__file__).with_name("static")
FILES: Mapping[str, Path] = {
    "docs.js": OWN / "docs.js",
    "redoc.css": OWN / "redoc.css",
    "favicon.png": PACKAGED / "fastapi" / "favicon.png",
    "swagger-ui.css": PACKAGED / "swagger" / "swagger-ui.css",
    "swagger-ui-bundle.js": PACKAGED / "swagger" / "swagger-ui-bundle.js",
    "redoc.standalone.js": PACKAGED / "redoc" / "redoc.standalone.js",
}
# both write style attributes; Redoc searches in a worker that it makes from a blob
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
PAGE_HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
FILE_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=86400"}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs() -> FileResponse:
    return FileResponse(OWN / "docs.html", headers=PAGE_HEADERS)


@router.get("/redoc")
def redoc() -> FileResponse:
    return FileResponse(OWN / "redoc.html", headers=PAGE_HEADERS)


@router.get("/api-pages/{name}")
def file(name: str) -> FileResponse:
    if name not in FILES:
        raise NotFound(f"There is no page /api-pages/{name}.")
    return FileResponse(FILES[name], headers=FILE_HEADERS)
