"""The headers of a signed message to an endpoint."""

from __future__ import annotations

from tagger.delivery import Endpoint
from tagger.errors import BadRequest, EndpointMisconfigured
from tagger.net import signing


def headers(endpoint: Endpoint, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Time and signature are of this attempt; the id is the message's, the same for every attempt.

    Errors: EndpointMisconfigured for an unusable secret.
    """
    try:
        signed = signing.sign(endpoint.secrets, message_id, timestamp_s, body)
    except BadRequest as err:
        raise EndpointMisconfigured(str(err)) from err
    return {
        **signed,
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "tagger",
    }
