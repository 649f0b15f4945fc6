"""Build the ASGI application from the settings. Importing this module reads nothing."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool

import tagger
from tagger.api import callers, connections, problems
from tagger.api.deps import AppState
from tagger.api.middleware import RequestFrame
from tagger.api.openapi import Api
from tagger.api.pages import all_routes
from tagger.api.pages.guesses import Guesses
from tagger.api.pages.page_secret import page_secret
from tagger.api.pages.signed_in import Door
from tagger.api.queries import check_known
from tagger.api.routes import (
    backfills,
    compat,
    deliveries,
    duplicates,
    entailment,
    health,
    hooks,
    jobs,
    pages,
    search,
    sites,
    trends,
)
from tagger.api.waiting import Waiter
from tagger.blobs import open_blobs
from tagger.catalog.load import load_catalog
from tagger.errors import LedgerUnavailable
from tagger.ledger import Ledger, open_ledger
from tagger.queue.hints import Hints
from tagger.services.ingest import Hinter, Ingest
from tagger.services.pictures import Pictures
from tagger.services.renditions import Renditions
from tagger.services.search.opening import open_index
from tagger.services.search.query_vectors import QueryVectors
from tagger.services.search.search import Searcher
from tagger.settings import Settings
from tagger.system.home import check_port
from tagger.telemetry import metric_files, tracing
from tagger.telemetry.probe_server import Probes, serve_probes

log = structlog.get_logger()

MIGRATE_SECONDS = 2.0
FRESHEN_SECONDS = 60.0
STARTUP_FAILED = 3  # as uvicorn's own program
GRACE_SECONDS = 15  # for requests under way when the process is asked to end; the supervisor kills after 30

DESCRIPTION = """Alt text, captions and tags for the images of content-management systems.

`POST /v1/jobs` accepts an image. It answers 202 after the job is committed. The texts arrive at the site's endpoint in a
signed callback, or are read from `GET /v1/jobs/{id}`. Every error is problem+json with its stage,
whether a retry can help, and a remedy."""


def create_app(settings: Settings) -> FastAPI:
    catalog = load_catalog(settings.home)
    ledger = open_ledger(settings.ledger)
    hints, probing = Hints(settings.broker), Hints(settings.broker)
    hinter = Hinter(hints.send)
    ingest = Ingest(ledger, open_blobs(settings), hinter)
    query_vectors = QueryVectors(settings)
    searcher = Searcher(ledger, open_index(settings, ledger), query_vectors)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        migrating = None if await run_in_threadpool(_migrate, ledger) else asyncio.create_task(_migrate_later(ledger))
        app.state.tagger = AppState(
            settings=settings,
            ledger=ledger,
            ingest=ingest,
            catalog=catalog,
            waiter=Waiter(ledger.job_statuses),
            searcher=searcher,
            loaded=health.loaded(ledger),
            broker_answers=health.answering(probing),
        )
        app.state.pictures = Pictures(ingest.blobs, lambda: Renditions(settings), settings.max_body_bytes)
        app.state.door = Door(secret=page_secret(settings), guesses=Guesses())
        probes = Probes()
        probes.started()
        port = serve_probes(settings.metrics_host, settings.metrics_port, probes, lambda: health.exposition(app.state.tagger))
        freshening = asyncio.create_task(_keep_fresh(searcher))
        yield
        freshening.cancel()
        if port is not None:
            port.shutdown()
            port.server_close()
        if migrating is not None:
            migrating.cancel()
        app.state.pictures.close()
        query_vectors.close()
        hinter.close()
        hints.close()
        probing.close()
        ledger.close()
        metric_files.flush()
        tracing.close()

    app = Api(
        title="tagger",
        version=tagger.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        profiles=[profile.name for profile in catalog.profiles],
    )
    problems.install(app)
    app.add_middleware(RequestFrame, max_body_bytes=settings.max_body_bytes, body_memory_bytes=settings.body_memory_bytes)
    if settings.compat_site:
        callers.allowed(settings), callers.trusted(settings)  # a mistake shows now, not with the first caller
        app.include_router(compat.router)
    app.include_router(pages.router)
    for page in all_routes.ROUTERS:
        app.include_router(page)
    for noun in (jobs, entailment, deliveries, sites, backfills, search, duplicates, trends):
        app.include_router(noun.router, dependencies=[Depends(check_known)])
    for noun in (hooks, health):  # a CMS or a monitor may add to their addresses what it likes
        app.include_router(noun.router)
    return app


def _migrate(ledger: Ledger) -> bool:
    """An API that starts first brings the tables; without a ledger it starts all the same and says 503 until there is one."""
    try:
        ledger.migrate()
    except LedgerUnavailable as err:
        log.warning("api.not_migrated", error=str(err))
        return False
    return True


async def _migrate_later(ledger: Ledger) -> None:
    while not await run_in_threadpool(_migrate, ledger):
        await asyncio.sleep(MIGRATE_SECONDS)


async def _keep_fresh(searcher: Searcher) -> None:
    """So that the vector of an erased asset goes also where nobody searches."""
    while True:
        await run_in_threadpool(searcher.freshen)
        await asyncio.sleep(FRESHEN_SECONDS)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first. Errors: PortTaken for `metrics_port`."""
    if settings.metrics_port:  # before uvicorn, which would show the error as a traceback
        check_port(settings.metrics_host, settings.metrics_port, "Set another `metrics_port`, or end what listens there.")
    if settings.api_port:
        check_port(settings.api_host, settings.api_port, "Set another `api_port`, or end what listens there.")
    # uvicorn raises the signal anew once it has ended: by then it is an orderly end, and no death by a signal
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = {"host": settings.api_host, "port": settings.api_port, "timeout_graceful_shutdown": GRACE_SECONDS}
    server = uvicorn.Server(connections.config(create_app(settings), log_config=None, **options))
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILED)
