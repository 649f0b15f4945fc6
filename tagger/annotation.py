"""Annotation: the value offered for one field and locale, where it came from, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tagger.asset import PictureKind

Field = Literal["alt_text", "caption", "title", "tags"]
Action = Literal["publish", "review", "suppress"]
Outcome = Literal["written", "unchanged", "kept", "rejected", "gone", "unverified"]


@dataclass(frozen=True, kw_only=True)
class Tag:
    id: str  # the vocabulary's term id, never changes
    label: str  # in the annotation's locale
    score: float  # probability, 0..1
    category: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What may happen to a value, with reasons that a person understands."""

    action: Action
    reasons: tuple[str, ...] = ()  # stable words: "redundant", "needs_purpose", "low_score", "text_unchecked"…


@dataclass(frozen=True, kw_only=True)
class Annotation:
    field: Field
    locale: str  # BCP 47; for tags the locale of the labels
    value: str | tuple[Tag, ...] | None  # None: no proposal; "": decorative; tags: the whole list offered
    score: float | None
    model: str | None  # name@revision; None where no model took part
    rules: tuple[str, ...]  # ids of the alt-text rules that acted, e.g. ("A1", "A4")
    verdict: Verdict
    source: Literal["model", "context", "rule"] = "model"
    outcome: Outcome | None = None  # what the receiver said, after the delivery
    kind: PictureKind | None = None  # of picture; None: not sure, or nobody looked
    text: str | None = None  # read in the picture, its start; "": there is none; None: not sure, or nobody looked
    focal_point: tuple[float, float] | None = None  # x, y as shares of width and height: what a crop should keep

    def to_dict(self) -> dict[str, Any]:
        return {
            "field": self.field,
            "locale": self.locale,
            "value": [dict(vars(t)) for t in self.value] if isinstance(self.value, tuple) else self.value,
            "score": self.score,
            "model": self.model,
            "rules": list(self.rules),
            "verdict": {"action": self.verdict.action, "reasons": list(self.verdict.reasons)},
            "source": self.source,
            "outcome": self.outcome,
            "kind": self.kind,
            "text": self.text,
            "focal_point": list(self.focal_point) if self.focal_point is not None else None,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Annotation:
        value = body["value"]
        verdict = body["verdict"]
        return cls(
            field=body["field"],
            locale=body["locale"],
            value=tuple(Tag(**t) for t in value) if isinstance(value, list) else value,
            score=body["score"],
            model=body["model"],
            rules=tuple(body["rules"]),
            verdict=Verdict(action=verdict["action"], reasons=tuple(verdict["reasons"])),
            source=body["source"],
            outcome=body["outcome"],
            kind=body.get("kind"),  # an older one has none, nor what follows
            text=body.get("text"),
            focal_point=tuple(point) if (point := body.get("focal_point")) is not None else None,
        )


RANK: dict[Action, int] = {"publish": 0, "review": 1, "suppress": 2}


def overall(annotations: tuple[Annotation, ...]) -> Verdict:
    """The verdict of a job: publish if any field publishes, else review if any asks for it, else suppress."""
    if not annotations:
        return Verdict(action="suppress", reasons=("nothing_to_say",))
    action = min((a.verdict.action for a in annotations), key=RANK.__getitem__)
    reasons = tuple(dict.fromkeys(r for a in annotations if a.verdict.action != "publish" for r in a.verdict.reasons))
    return Verdict(action=action, reasons=reasons)
