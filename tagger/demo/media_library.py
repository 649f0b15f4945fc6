"""The sample media library: a small CMS with pictures, editors and a signed hook. `python -m tagger.demo.media_library --help`

It prints one line of JSON with its address when it is ready. The two secrets come by the environment:
MEDIA_LIBRARY_HOOK_SECRET signs its hooks, MEDIA_LIBRARY_CALLBACK_SECRETS (comma between two) verify tagger's callbacks.

Pages: `/`, `/assets/{id}` · for programs: `/api/…` · for tagger: `/tagger/callback`.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from tagger import locales
from tagger.api import connections
from tagger.demo import pages, routes
from tagger.demo.library import Config, Library
from tagger.net import signing


def create_app(config: Config) -> FastAPI:
    library = Library(config)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        library.outbox.start()
        yield
        library.holds.release_all()
        library.outbox.close()
        library.store.close()

    app = FastAPI(title="Sample media library", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.library = library
    app.include_router(routes.router)
    app.include_router(pages.router)
    app.add_middleware(pages.OwnPages)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="media_library", description="A sample media library that uses tagger.")
    parser.add_argument("--home", type=Path, required=True, help="folder of its database and pictures")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--hook-url", required=True, help="tagger's address for this site's hooks, …/v1/hooks/SITE")
    parser.add_argument("--locales", type=_locales, default="en", help="Languages of its fields, separated by commas.")
    parser.add_argument("--hosts", default="", help="names by which it is reached, with commas; plain addresses always may")
    options = parser.parse_args(arguments)
    listener = socket.create_server((options.host, options.port), reuse_port=False)
    # asyncio does not set this for a listener that it did not create. Without it an answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host, port = listener.getsockname()[:2]
    config = Config(
        home=options.home,
        public_url=f"http://{host}:{port}",
        hook_url=options.hook_url,
        hook_secret=_secret("MEDIA_LIBRARY_HOOK_SECRET")[0],
        callback_secrets=_secret("MEDIA_LIBRARY_CALLBACK_SECRETS"),
        locales=options.locales,
        hosts=tuple(name.strip().lower() for name in options.hosts.split(",") if name.strip()),
    )
    server = uvicorn.Server(connections.config(create_app(config), log_level="warning"))
    ready = {"ready": True, "url": config.public_url, "callback_url": config.public_url + "/tagger/callback", "pid": os.getpid()}
    # Connections wait in the backlog of the listener until the server accepts them, so the address works from here on.
    print(json.dumps(ready), flush=True)  # noqa: T201
    server.run(sockets=[listener])


def _locales(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(locales.parse(part) for part in text.split(",")))


def _secret(name: str) -> tuple[str, ...]:
    secrets = tuple(part for part in os.environ.get(name, "").split(",") if part)
    if not secrets:
        raise SystemExit(f"{name} is not set. Set it to a secret, whsec_…")
    for secret in secrets:
        signing.key_of(secret)
    return secrets


if __name__ == "__main__":
    main()
