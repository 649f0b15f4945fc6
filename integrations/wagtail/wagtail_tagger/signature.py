"""Standard Webhooks: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

SECONDS = 300  # older messages may be repetitions of somebody else
SHORTEST = 16  # bytes of a key; with an empty one anybody could sign
DIGITS = 12  # of a time in seconds


def key(secret: str) -> bytes:
    """Errors: ValueError, never with the secret in its text."""
    try:
        found = base64.b64decode(secret.removeprefix("whsec_"))
    except ValueError as err:
        raise ValueError("it is not base64 after whsec_") from err
    if len(found) < SHORTEST:
        raise ValueError(f"its key has {len(found)} bytes; it must have at least {SHORTEST}")
    return found


def sign(secret: str, message: str, stamp: str, body: bytes) -> str:
    """Errors: ValueError."""
    digest = hmac.new(key(secret), f"{message}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def headers(secret: str, message: str, now: float, body: bytes) -> dict[str, str]:
    stamp = str(int(now))
    signature = sign(secret, message, stamp, body)
    return {"Webhook-Id": message, "Webhook-Timestamp": stamp, "Webhook-Signature": signature}


def valid(secrets: Iterable[str], message: str, stamp: str, signatures: str, body: bytes, now: float) -> bool:
    """During a rotation two secrets are valid, and a message may have two signatures."""
    if not (message and stamp.isascii() and stamp.isdigit() and len(stamp) <= DIGITS and abs(now - int(stamp)) <= SECONDS):
        return False
    given = [one.encode() for one in signatures.split()]
    try:
        wanted = [sign(secret, message, stamp, body).encode() for secret in secrets]
    except ValueError:
        return False
    return any(hmac.compare_digest(one, other) for one in wanted for other in given)
