"""Retries a call while a service is away: the one loop that registration, settlements and deliveries share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import TypeVar

from tagger.errors import Unavailable

T = TypeVar("T")


def retry(
    call: Callable[[], T],
    *,
    waits: Sequence[float],
    give_up: Callable[[float], bool],
    on_failure: Callable[[int, Unavailable], None] = lambda _tries, _err: None,
) -> T:
    """Returns `call()`; calls it again while it raises Unavailable.

    `waits`: seconds between tries; the last one repeats. `give_up(seconds)` waits that long and returns False, or returns True if
    there must be no further try. `on_failure(tries, error)` is called after each failure. Errors: the last Unavailable.
    """
    for tries, seconds in enumerate(chain(waits, repeat(waits[-1])), start=1):
        try:
            return call()
        except Unavailable as err:
            on_failure(tries, err)
            if give_up(seconds):
                raise
    raise AssertionError("unreachable")
