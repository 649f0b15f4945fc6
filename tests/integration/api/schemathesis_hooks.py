"""Gives each request its own Idempotency-Key. The same key with another body is refused, which would look like a fault."""

from __future__ import annotations

import itertools
from typing import Any

import schemathesis

LONGEST = 255
NUMBERS = itertools.count()


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= LONGEST:
        number = f"-{next(NUMBERS)}"
        case.headers["Idempotency-Key"] = key[: LONGEST - len(number)] + number
