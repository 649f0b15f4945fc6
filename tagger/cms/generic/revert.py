"""`asset.reverted`: puts back what tagger replaced, where the value is still tagger's. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tagger.provenance import text_hash

TYPE = "asset.reverted"


def text(previous: str | None, ours: Sequence[str]) -> dict[str, Any]:
    """One text: the value to put back (None: the field was never set), where one of our texts `ours` stands."""
    return {"value": previous, "if_current": {"in": [text_hash(value) for value in ours]}}


def data(
    asset_id: str,
    sequence: int,
    texts: Mapping[str, Mapping[str, Any]],
    *,
    tags_back: Sequence[Mapping[str, str]] = (),
    tags_off: Sequence[str] = (),
) -> dict[str, Any]:
    """`texts`: field → locale → `text(…)`. `tags_back`: the tags that tagger removed. `tags_off`: ids of those that it added."""
    fields: dict[str, Any] = {name: dict(locales) for name, locales in texts.items()}
    if tags_back or tags_off:
        fields["tags"] = {"add": [dict(tag) for tag in tags_back], "remove": list(tags_off)}
    return {"asset": {"id": asset_id}, "sequence": sequence, "fields": fields}
