"""What a receiver says when it refuses a message as stale: the number of the last message that it took. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

REASON = "stale_sequence"
MAX_SEQUENCE = 10**12  # no asset gets so many messages: a larger number is a mistake of the receiver


def stale_sequence(said: Sequence[Any]) -> int | None:
    """`said`: the answer for each field that was sent; of a message without fields, the answer itself. None unless all of them
    refuse it as stale and name the same number.

    A receiver that took one field of the message has written something, so the message must not get another number.
    """
    numbers = {_number(one) for one in said}
    return numbers.pop() if len(numbers) == 1 else None


def _number(said: Any) -> int | None:
    if not isinstance(said, dict) or (said.get("outcome"), said.get("reason")) != ("rejected", REASON):
        return None
    number = said.get("sequence")
    return number if type(number) is int and 0 < number <= MAX_SEQUENCE else None
