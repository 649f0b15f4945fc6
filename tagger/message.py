"""What tagger tells a CMS of a job, beside the fields to write: the verdict with proposals for a person, or the error. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tagger.annotation import Annotation
from tagger.errors import ErrorInfo
from tagger.job import Description

MessageType = Literal["asset.described", "asset.failed", "asset.reverted"]
DESCRIBED: MessageType = "asset.described"
FAILED: MessageType = "asset.failed"
REVERTED: MessageType = "asset.reverted"


def of_description(description: Description) -> dict[str, Any]:
    """`data` of an `asset.described`, without asset, sequence and fields."""
    verdict = description.verdict
    return {
        "verdict": verdict.action,
        "reasons": list(verdict.reasons),
        "proposals": proposals(description.annotations),
    }


def of_failure(error: ErrorInfo) -> dict[str, Any]:
    """`data` of an `asset.failed`, without asset and sequence."""
    return {"error": error.to_dict()}


def proposals(annotations: Sequence[Annotation]) -> dict[str, dict[str, Any]]:
    """Field → locale → a value that a person must look at first. A receiver shows it and never writes it by itself."""
    offers: dict[str, dict[str, Any]] = {}
    for annotation in annotations:
        if annotation.verdict.action == "review" and annotation.value is not None:
            offers.setdefault(annotation.field, {})[annotation.locale] = _proposal(annotation)
    return offers


def _proposal(annotation: Annotation) -> Mapping[str, Any]:
    value = annotation.value
    return {
        "value": [{"id": t.id, "label": t.label, "score": t.score} for t in value] if isinstance(value, tuple) else value,
        "reasons": list(annotation.verdict.reasons),
        "source": annotation.source,
        "model": annotation.model,
        "score": annotation.score,
    }
