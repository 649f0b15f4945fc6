"""Keys of uploaded bytes, the same in every store: `<sha256>-<random>`.

The hash lets a reader check the bytes. The random part gives each job its own copy, so that deleting the bytes of one job never
deletes those of another.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from tagger.errors import NotFound

KEY = re.compile(r"[0-9a-f]{64}-[0-9a-f]{16}")
PAGE = 500  # keys that a sweep asks about at once


def new_key(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}-{secrets.token_hex(8)}"


def checked(key: str) -> str:
    """The key. Errors: NotFound for any other text; this is also what keeps `../` out."""
    if not KEY.fullmatch(key):
        raise NotFound("The key is not a key of uploaded bytes.")
    return key


def holds(key: str, data: bytes) -> bool:
    """Whether `data` are the bytes that were stored under `key`."""
    return key.startswith(hashlib.sha256(data).hexdigest())
