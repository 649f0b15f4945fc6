"""Asks a CMS something that changes nothing there: `library.page`, `site.probe`. One signed message, one answer."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tagger.delivery import Endpoint
from tagger.errors import AddressForbidden, LibraryAway
from tagger.ids import new_id
from tagger.instants import format_instant
from tagger.net.addresses import AddressPolicy
from tagger.net.client import Reply, Request, RequestFailed
from tagger.net.retry_after import retry_after_ms
from tagger.net.signed_message import headers

SECONDS = 20.0  # for the whole of one question
CONNECT_SECONDS = 5.0
MAX_BYTES = 4 << 20  # of an answer
BUSY = frozenset({429, 503})
UNKNOWN = frozenset({204, 501})  # the CMS does not know this type of message


class Sender(Protocol):
    """`HttpClient`; the seam for tests."""

    def send(self, request: Request, max_bytes: int) -> Reply: ...


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Opens a connection for each question, so there is nothing to close."""

    endpoint: Endpoint
    client: Sender
    seconds: float = SECONDS

    def ask(self, kind: str, data: Mapping[str, Any]) -> bytes:
        """The body of the answer. Errors: LibraryAway; EndpointMisconfigured for an unusable secret."""
        now_s = time.time()
        message = {
            "type": kind,
            "timestamp": format_instant(round(now_s * 1000)),
            "data": {"site": self.endpoint.site_id, **data},
        }
        body = json.dumps(message, separators=(",", ":")).encode()
        request = Request(
            method="POST",
            url=self.endpoint.url,
            headers=headers(self.endpoint, new_id("req", round(now_s * 1000)), int(now_s), body),
            body=body,
            addresses=AddressPolicy(ports=None, allow_private=self.endpoint.allow_private),
            deadline=time.monotonic() + self.seconds,
            connect_seconds=CONNECT_SECONDS,
        )
        try:
            reply = self.client.send(request, MAX_BYTES)
        except (AddressForbidden, RequestFailed) as err:
            raise LibraryAway(str(err)) from err
        return _content(reply, kind)


def _content(reply: Reply, kind: str) -> bytes:
    if reply.status in UNKNOWN:
        remedy = f"Update the plugin of the CMS, or answer `{kind}` as docs/protocol.md says."
        raise LibraryAway(f"The CMS answered {reply.status}: it does not know `{kind}`.", remedy)
    if reply.status in BUSY:
        wait_ms = retry_after_ms(reply.headers.get("retry-after", ""), time.time())
        raise LibraryAway(f"The CMS answered {reply.status}.", retry_after_ms=wait_ms, busy=True)
    if not 200 <= reply.status < 300:
        raise LibraryAway(f"The CMS answered {reply.status}.")
    if reply.cut or reply.unreadable:
        raise LibraryAway(reply.unreadable or f"The answer is longer than {MAX_BYTES >> 20} MiB.")
    return reply.body
