"""Whether a picture, and not the server, makes the requests with it fail."""

from __future__ import annotations

import threading
from collections import OrderedDict

MOST = 1_024  # pictures that are remembered


class Suspects:
    """Thread-safe. A picture is to blame if its request fails again although another one was answered in between."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered = 0
        self._failed: OrderedDict[bytes, int] = OrderedDict()  # digest of a picture: how many were answered before its failure

    @property
    def none_answered(self) -> bool:
        return self._answered == 0

    def answered(self, picture: bytes) -> None:
        with self._lock:
            self._answered += 1
            self._failed.pop(picture, None)

    def failed(self, picture: bytes) -> bool:
        """Whether the picture is to blame for this failure."""
        with self._lock:
            before = self._failed.pop(picture, self._answered)
            self._failed[picture] = self._answered
            if len(self._failed) > MOST:
                self._failed.popitem(last=False)
            return before < self._answered
