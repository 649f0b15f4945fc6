"""The secret that signs the sessions of the pages. No setting: API processes that share an operator's key share it as well.

It is made from `admin_key`, slowly, so that nobody who has a session can try weak keys against it. A new `admin_key` ends all
sessions.
Without an `admin_key` it is a file in the home that is made once.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from pathlib import Path

import structlog

from tagger.settings import Settings
from tagger.system import whole_file

log = structlog.get_logger()

FILE = "page-secret"
SHORTEST = 32  # bytes
SLOW = {"n": 1 << 14, "r": 8, "p": 1, "dklen": SHORTEST}  # 16 MiB and some 50 ms, once for each process


def page_secret(settings: Settings) -> bytes:
    """Where no file can be written, a restart signs everybody out."""
    if settings.admin_key is not None:
        return hashlib.scrypt(settings.admin_key.get_secret_value().encode(), salt=b"tagger pages", **SLOW)
    place = settings.home / FILE
    try:
        return _kept(place)
    except OSError as err:
        log.warning("page_secret.not_kept", error=type(err).__name__)
        return secrets.token_bytes(SHORTEST)


def _kept(place: Path) -> bytes:
    """Errors: OSError, also for a file that is too short to be one of ours."""
    with contextlib.suppress(FileExistsError):  # another process of this home may be first
        if not place.exists():
            whole_file.create(place, secrets.token_bytes(SHORTEST), mode=0o600)
    content = place.read_bytes()
    if len(content) < SHORTEST:
        raise OSError(f"{place} is too short")
    return content
