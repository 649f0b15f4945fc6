"""Flower: without a password for whoever asks for it by a name of this machine, with a password by any name.

Without a password, a stranger's web page can have a name of its own that suddenly means this machine (DNS rebinding).
It could then read the assets and errors of all sites in its reader's browser. That name stands in `Host`.
With a password that page gets nothing: a browser sends a password only to the name for which its user typed it.
A page of another site may still send a form to ours, with the reader's password: so `Origin` is compared in both cases.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from tagger.net.same_origin import host_of, refusal

LOOPBACK_ONLY: frozenset[str] = frozenset()  # no names but localhost and plain addresses
PASSWORD_ENV = "FLOWER_BASIC_AUTH"  # noqa: S105 - the variable's name; Flower reads it


def main() -> None:
    from celery.__main__ import main as celery
    from flower.views import BaseHandler
    from tornado.web import HTTPError

    guarded = bool(os.environ.get(PASSWORD_ENV))

    def prepare(handler: Any) -> None:
        headers = handler.request.headers
        names = {host_of(headers.get("host", ""))} if guarded else LOOPBACK_ONLY
        why = refusal(handler.request.method, headers, names)
        if why is not None:
            raise HTTPError(403, reason="Not a name of this service")
        own(handler)

    own = BaseHandler.prepare
    BaseHandler.prepare = prepare
    sys.exit(celery())


if __name__ == "__main__":
    main()
