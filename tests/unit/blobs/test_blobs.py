"""Every store of uploaded bytes keeps the contract. What only the local folder promises is in test_fetch_files.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.blobs_contract import BlobsContract

from tagger.blobs import Blobs, open_blobs
from tagger.blobs.local import LocalBlobs
from tagger.settings import load


class TestLocalBlobs(BlobsContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        return LocalBlobs(tmp_path / "blobs")

    @pytest.fixture
    def same_blobs(self, blobs: Blobs, tmp_path: Path) -> Blobs:
        return LocalBlobs(tmp_path / "blobs")


def test_without_other_settings_the_store_is_a_folder_of_the_home(tmp_path: Path) -> None:
    settings = load({}, home=tmp_path)
    key = open_blobs(settings).put(b"bytes")
    assert LocalBlobs(settings.blobs).get(key) == b"bytes"
