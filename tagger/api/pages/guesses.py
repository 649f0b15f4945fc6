"""Slows down those who guess keys at the login page: after five wrong keys, an address waits, each time twice as long.

Counted in each process by itself. The time is passed in, in seconds.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict

FREE = 5  # wrong keys that cost nothing
LONGEST = 900.0  # seconds to wait; after as long without a guess an address is forgotten
ADDRESSES = 10_000  # that are remembered
NETWORK = 64  # one caller may use a whole IPv6 network of this length


class Guesses:
    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # address → how many, and when the last was
        self._lock = threading.Lock()

    def wait(self, address: str, now: float) -> float:
        """Seconds for which this address must not try again; 0: it may."""
        with self._lock:
            number, last = self._wrong.get(_network(address), (0, now))
        return max(0.0, last + _pause(number) - now)

    def wrong(self, address: str, now: float) -> None:
        with self._lock:
            place = _network(address)
            number, last = self._wrong.pop(place, (0, now))
            self._wrong[place] = (1 if now - last > LONGEST else number + 1, now)
            while len(self._wrong) > ADDRESSES:
                self._wrong.popitem(last=False)

    def right(self, address: str) -> None:
        with self._lock:
            self._wrong.pop(_network(address), None)


def _pause(number: int) -> float:
    return 0.0 if number < FREE else min(LONGEST, 2.0 ** min(number - FREE, 30))


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, NETWORK), strict=False))
    return str(parsed)
