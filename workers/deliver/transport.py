"""One message to an endpoint, by the guarded client. What goes wrong becomes an error of the stage deliver."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from tagger.delivery import Endpoint
from tagger.errors import AddressForbidden, AnswerIncomplete, DeliveryError, EndpointMisconfigured, EndpointUnreachable
from tagger.net.addresses import AddressPolicy
from tagger.net.client import HttpClient, Reply, Request, RequestFailed
from tagger.net.pinned import Resolve, system_resolve

MAX_ANSWER_BYTES = 64 << 10
CONNECT_SECONDS = 5.0  # for resolving and connecting, when the whole deadline is longer


class Transport(Protocol):
    """The seam for tests: anything that takes a signed message somewhere."""

    def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply: ...

    def close(self) -> None: ...


class HttpTransport:
    """Keeps connections per endpoint. Safe for many threads."""

    def __init__(self, *, ca_file: str | None = None, resolve: Resolve = system_resolve) -> None:
        self._client = HttpClient(ca_file=ca_file, resolve=resolve)

    def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply:
        """Errors: EndpointMisconfigured, EndpointUnreachable (nothing was sent), AnswerIncomplete (it may have been)."""
        request = Request(
            method="POST",
            url=endpoint.url,
            headers=headers,
            body=body,
            addresses=AddressPolicy(ports=None, allow_private=endpoint.allow_private),
            deadline=time.monotonic() + seconds,
            connect_seconds=CONNECT_SECONDS,
            pool=endpoint.id,
            repeatable=True,  # the receiver knows a second copy by its webhook-id
        )
        try:
            return self._client.send(request, MAX_ANSWER_BYTES)
        except AddressForbidden as err:
            raise EndpointMisconfigured(str(err)) from err
        except RequestFailed as err:
            raise _failure(err) from err

    def close(self) -> None:
        self._client.close()


def _failure(err: RequestFailed) -> DeliveryError:
    unreachable = err.stage in ("resolve", "connect")
    return EndpointUnreachable(str(err)) if unreachable else AnswerIncomplete(str(err))
