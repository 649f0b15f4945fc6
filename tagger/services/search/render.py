"""An answer of the search as the JSON of docs/search.md."""

from __future__ import annotations

from typing import Any

from tagger.instants import format_instant
from tagger.services.search.search import Answer, Hit


def answer(found: Answer) -> dict[str, Any]:
    return {
        "data": [_hit(hit) for hit in found.hits],
        "searched": {"tags": True, "texts": True, "vectors": found.vectors, "notes": list(found.notes)},
    }


def _hit(hit: Hit) -> dict[str, Any]:
    asset = hit.asset
    texts: dict[str, dict[str, str]] = {"alt_text": {}, "caption": {}}
    labels: dict[str, str] = {}
    for annotation in asset.annotations:
        if isinstance(annotation.value, str) and annotation.field in texts:
            texts[annotation.field][annotation.locale] = annotation.value
        elif isinstance(annotation.value, tuple):
            for tag in annotation.value:
                labels.setdefault(tag.id, tag.label)
    return {
        "asset": {"id": asset.asset_id},
        "job": asset.job_id,
        "score": hit.score,
        "similarity": hit.similarity,
        "matched_by": list(hit.matched_by),
        "described_at": format_instant(asset.first_ms),
        "verdict": asset.verdict,
        "kind": asset.kind,
        "tags": [{"id": tag, "label": labels.get(tag)} for tag in asset.tags],
        **texts,
    }
