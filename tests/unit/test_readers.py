"""Every CMS reader keeps the contract, and the registry knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.reader_contract import Open, ReaderContract

from tagger.cms.registry import CMSES, READERS, open_reader
from tagger.errors import BadRequest

PATHS = ("a.jpg", "b/a.png", "b/c.webp", "b.jpg", "ü.jpg")


class TestFolderReader(ReaderContract):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for path in PATHS:
            file = tmp_path / "library" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"picture")
        return tmp_path / "library"

    @pytest.fixture
    def spec(self, folder: Path) -> Mapping[str, Any]:
        return {"folder": str(folder)}

    @pytest.fixture
    def opened(self, spec: Mapping[str, Any]) -> Open:
        return lambda: open_reader("folder", spec)

    @pytest.fixture
    def change_image(self, folder: Path) -> Callable[[str], None]:
        return lambda asset_id: (folder / asset_id).write_bytes(b"another picture") and None


def test_every_reader_is_tested() -> None:
    assert set(READERS) == {"folder"}, "add a subclass of ReaderContract for each new reader"


def test_a_cms_implements_something() -> None:
    assert all(cms.open_reader or cms.parse_hook or cms.writer for cms in CMSES.values())


def test_a_backfill_of_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRequest, match="no reader `flickr`") as caught:
        open_reader("flickr", {})
    assert "folder" in caught.value.remedy
