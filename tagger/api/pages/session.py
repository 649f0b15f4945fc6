"""Who is signed in to the pages: a signed cookie, made from an API key. Pure.

The cookie names the key and holds no secret. It is read again with each request, so a key that is revoked ends its sessions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass

HOURS = 12
LIFE_MS = HOURS * 3_600_000


@dataclass(frozen=True, kw_only=True)
class Session:
    site_id: str | None  # None: the operator
    key_id: str  # empty: the operator's key, which has no id
    until_ms: int
    nonce: str  # tells two sessions of one key apart


def begin(site_id: str | None, key_id: str, now_ms: int) -> Session:
    return Session(site_id=site_id, key_id=key_id, until_ms=now_ms + LIFE_MS, nonce=secrets.token_hex(16))


def sealed(session: Session, secret: bytes) -> str:
    """The text of the cookie."""
    body = base64.urlsafe_b64encode(json.dumps(asdict(session)).encode()).decode()
    return f"{body}.{_mac(secret, 'session', body)}"


def opened(cookie: str, secret: bytes, now_ms: int) -> Session | None:
    """None for a cookie that is not ours, or that has ended."""
    body, _, mac = cookie.partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(secret, "session", body).encode()):
        return None
    try:
        session = Session(**json.loads(base64.urlsafe_b64decode(body)))
    except (binascii.Error, ValueError, TypeError):  # of another version of tagger
        return None
    return session if now_ms < session.until_ms else None


def form_token(session: Session, secret: bytes) -> str:
    """What a form of this session must bring along, so that no page of another site can send one."""
    return _mac(secret, "form", session.nonce)


def _mac(secret: bytes, purpose: str, text: str) -> str:
    return hmac.new(secret, f"tagger pages {purpose} {text}".encode(), hashlib.sha256).hexdigest()
