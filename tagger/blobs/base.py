"""The contract of a store of uploaded bytes. tests/support/blobs_contract.py tests it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

Keep = Callable[[Sequence[str]], Collection[str]]


class Blobs(Protocol):
    """A store of uploaded bytes. Every method raises StorageUnavailable when the store is full or away."""

    def put(self, data: bytes) -> str:
        """Store `data` under a new key and return the key. The bytes then survive a power cut."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes of a key. Errors: NotFound if there are none (any more); FetchFailed if only these cannot be read."""
        ...

    def delete(self, key: str) -> None:
        """Delete the bytes. It is no error if they are gone already."""
        ...

    def sweep(self, older_than_ms: int, keep: Keep) -> int:
        """Delete what was stored before `older_than_ms` (Unix milliseconds), except `keep(keys)`. Return how many were deleted.

        `keep` is called with pages of keys and returns those that an open job still needs.
        """
        ...
