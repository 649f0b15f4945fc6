"""Flower, for whoever asks for it by a name of this machine.

Flower asks for no key. A stranger's web page can have a name of its own that suddenly means this machine (DNS rebinding).
It could then read the assets and errors of all sites in its reader's browser. That name stands in `Host`.
"""

from __future__ import annotations

import sys
from typing import Any

from tagger.net.same_origin import refusal

LOOPBACK_ONLY: frozenset[str] = frozenset()  # no names but localhost and plain addresses


def main() -> None:
    from celery.__main__ import main as celery
    from flower.views import BaseHandler
    from tornado.web import HTTPError

    def prepare(handler: Any) -> None:
        why = refusal(handler.request.method, handler.request.headers, LOOPBACK_ONLY)
        if why is not None:
            raise HTTPError(403, reason="Not a name of this service")
        own(handler)

    own = BaseHandler.prepare
    BaseHandler.prepare = prepare
    sys.exit(celery())


if __name__ == "__main__":
    main()
