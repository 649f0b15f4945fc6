"""Prefixed ids that sort by time: `job_01JD…` (a prefix, then a ULID in Crockford's base 32)."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Literal

Prefix = Literal["job", "dlv", "site", "bkf", "req", "key", "atm", "dl", "end", "rev", "wrk", "evt", "tst", "aud"]

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


_lock = threading.Lock()
_last: dict[str, int] = {}  # by prefix, the number of the newest id


def new_id(prefix: Prefix, now_ms: int | None = None) -> str:
    """A new id: 48 bits of milliseconds since 1970, then 80 random bits.

    Within one millisecond a process counts up from the first id (ULID's monotonic rule), so that the newer of two jobs of one
    asset has the greater id.
    """
    stamp = int(time.time() * 1000) if now_ms is None else now_ms
    with _lock:
        last = _last.get(prefix, 0)
        number = last + 1 if last >> 80 == stamp else (stamp << 80) | secrets.randbits(80)
        _last[prefix] = number
    return _text(prefix, number)


def first_id(prefix: Prefix, at_ms: int) -> str:
    """The least id of that millisecond: every id of an earlier one sorts before it."""
    return _text(prefix, max(0, at_ms) << 80)


def instant_of(made_id: str) -> int:
    """When an id was made, in milliseconds since 1970."""
    number = 0
    for letter in made_id.rpartition("_")[2]:
        number = number * 32 + ALPHABET.index(letter)
    return number >> 80


def _text(prefix: Prefix, number: int) -> str:
    return prefix + "_" + "".join(ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
