"""The store of uploaded bytes. A blob lives from its upload until its job ends.

To add a store: write a class that keeps the `Blobs` protocol, choose it in `open_blobs`, and run the contract suite
tests/support/blobs_contract.py against it.
"""

from __future__ import annotations

from tagger.blobs.base import Blobs, Keep
from tagger.blobs.local import LocalBlobs
from tagger.settings import Settings

__all__ = ["Blobs", "Keep", "open_blobs"]


def open_blobs(settings: Settings) -> Blobs:
    """The store that the settings name. Errors: StorageUnavailable."""
    return LocalBlobs(settings.blobs)
