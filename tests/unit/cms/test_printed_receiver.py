"""The tags of the receiver that docs/protocol.md prints."""

from __future__ import annotations

from typing import Any

from support.printed_receiver import printed

CAT = {"id": "cat", "label": "Cat"}


def test_a_tag_that_an_editor_took_off_stays_off_after_an_undo_and_one_that_the_undo_took_off_may_come_again() -> None:
    change_tags = printed()["change_tags"]
    for by_editor in (True, False):
        asset: dict[str, Any] = {"tags": {}, "offered": set()}
        assert change_tags(asset, {"add": [CAT], "remove": []})["added"] == ["cat"]
        if by_editor:
            del asset["tags"]["Cat"]
        assert change_tags(asset, {"add": [], "remove": ["cat"]})["removed"] == ([] if by_editor else ["cat"])
        assert change_tags(asset, {"add": [CAT], "remove": []})["added"] == ([] if by_editor else ["cat"])
