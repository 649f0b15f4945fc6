"""Standard Webhooks v1 (https://www.standardwebhooks.com): sign what we send, verify what comes.

The few lines of HMAC are our own. The reference package `standardwebhooks` 1.1 reads the clock itself, wants the body as
text, leaks ValueError, binascii.Error and UnicodeDecodeError on malformed headers, and signs a wrong time for datetimes that
are not UTC; a wrapper around all that is longer than the algorithm. The tests hold us against it in both directions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as random_source
from collections.abc import Mapping, Sequence

from tagger.errors import BadRequest, SignatureInvalid

PREFIX = "whsec_"
TOLERANCE_SECONDS = 300
KEY_BYTES = range(24, 65)  # what the text of Standard Webhooks asks for
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def new_secret() -> str:
    """A fresh secret, "whsec_" and the base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(random_source.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The key inside a "whsec_…" secret. Errors: BadRequest (never with the secret in its text)."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise BadRequest(f"A webhook secret is {PREFIX!r}, then {KEY_BYTES.start} to {KEY_BYTES.stop - 1} bytes in base64.")
    return key


def sign(secrets: Sequence[str], msg_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a message, with one signature per secret, so that two are valid during a rotation.

    Errors: BadRequest for a malformed secret, for none at all, or for an id that could be mistaken for more than an id.
    """
    if not secrets:
        raise BadRequest("The message cannot be signed, because there is no secret.")
    if not _is_id(msg_id):
        raise BadRequest("A webhook id must be printable ASCII without dots and spaces.")
    signatures = [base64.b64encode(_digest(key_of(s), msg_id, timestamp_s, body)).decode() for s in secrets]
    return {ID: msg_id, TIMESTAMP: str(timestamp_s), SIGNATURE: " ".join("v1," + s for s in signatures)}


def verify(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now_s: float, tolerance_s: int = TOLERANCE_SECONDS
) -> str:
    """The message's id, if any of the secrets signed it within `tolerance_s` of `now_s`; names of headers in any case.

    Errors: SignatureInvalid and nothing else, whatever came in. Its detail never tells a good key from a bad one.
    """
    named = {name.lower(): value for name, value in headers.items()}
    msg_id, stamp, given = named.get(ID, ""), named.get(TIMESTAMP, ""), named.get(SIGNATURE, "")
    if not (msg_id and stamp and given):
        raise SignatureInvalid(f"The headers {ID}, {TIMESTAMP} and {SIGNATURE} are required.")
    # A dot in the id would let a signed body be read as the end of another id: both join to the same signed text.
    if not _is_id(msg_id) or not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise SignatureInvalid("The webhook headers are malformed.")
    timestamp_s = int(stamp)
    if abs(now_s - timestamp_s) > tolerance_s:
        raise SignatureInvalid("The timestamp of the message is too old, or in the future.")
    try:
        keys = [key_of(secret) for secret in secrets]
    except BadRequest as err:
        raise SignatureInvalid("A secret of this site is malformed.") from err
    offered = [signature for part in given.split(" ") if (signature := _decode(part)) is not None]
    good = False
    for key in keys:  # every key against every signature, so that the time taken tells nothing
        wanted = _digest(key, msg_id, timestamp_s, body)
        for signature in offered:
            good |= hmac.compare_digest(wanted, signature)
    if not good:
        raise SignatureInvalid("No signature fits.")
    return msg_id


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 256 and text.isascii() and text.isprintable() and not {".", " "} & set(text)


def _digest(key: bytes, msg_id: str, timestamp_s: int, body: bytes) -> bytes:
    return hmac.new(key, f"{msg_id}.{timestamp_s}.".encode() + body, hashlib.sha256).digest()


def _decode(part: str) -> bytes | None:
    """The bytes of one "v1,<base64>"; None for other versions and for what is no signature at all."""
    version, _, text = part.partition(",")
    if version != "v1":
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
