"""Bearer keys: 256 random bits, of which only the SHA-256 is kept; a slow hash would add nothing to so many bits."""

from __future__ import annotations

import hashlib
import secrets


def new_key() -> str:
    return "tgr_" + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(key.encode()).hexdigest()
