"""The contract of a CMS reader. To test a reader: subclass `ReaderContract`, define `opened` and `change_image`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter

from tagger.cms.base import Reader
from tagger.cms.job_body import AssetId

Open = Callable[[], Reader]


class ReaderContract:
    @pytest.fixture
    def spec(self) -> Mapping[str, Any]:
        raise NotImplementedError("the spec of a library with at least four assets")

    @pytest.fixture
    def opened(self, spec: Mapping[str, Any]) -> Open:
        raise NotImplementedError("a function that opens the reader of `spec`, as another process does")

    @pytest.fixture
    def change_image(self) -> Callable[[str], None]:
        raise NotImplementedError("a function that replaces the image of the asset with this id")

    def test_the_ledger_can_store_the_spec(self, spec: Mapping[str, Any]) -> None:
        assert json.loads(json.dumps(spec)) == spec

    def test_the_order_is_the_same_for_every_process(self, opened: Open) -> None:
        first, second = list(opened().assets()), list(opened().assets())
        assert len(first) >= 4
        assert first == second

    def test_an_asset_is_listed_once_under_a_valid_id(self, opened: Open) -> None:
        ids = [asset.asset_id for asset in opened().assets()]
        assert len(set(ids)) == len(ids)
        for asset_id in ids:
            assert TypeAdapter(AssetId).validate_python(asset_id) == asset_id

    def test_every_cursor_continues_right_after_its_asset(self, opened: Open) -> None:
        assets = list(opened().assets())
        for number, asset in enumerate(assets, start=1):
            assert list(opened().assets(asset.cursor)) == assets[number:]

    def test_a_reader_lists_lazily(self, opened: Open) -> None:
        """The first page of a large library is fed before the last page is listed."""
        assert iter(assets := opened().assets()) is assets
        assert next(assets) == next(opened().assets())

    def test_a_changed_image_has_another_revision_and_the_same_id(
        self, opened: Open, change_image: Callable[[str], None]
    ) -> None:
        before = {asset.asset_id: asset.revision for asset in opened().assets()}
        changed = list(before)[1]
        change_image(changed)
        after = {asset.asset_id: asset.revision for asset in opened().assets()}
        assert list(after) == list(before)
        assert [asset for asset in before if before[asset] != after[asset]] == [changed]
        assert all(after.values())
