"""What the text rules are told, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tagger.annotation import Action
from tagger.asset import Context, PictureKind

TextField = Literal["alt_text", "caption", "title"]


@dataclass(frozen=True, kw_only=True)
class TextRules:
    """What a profile wants of its texts. Lengths in graphemes (what a reader counts as one character)."""

    final_stop: bool = False  # of the alt text; a title never has one
    caption_final_stop: bool = True
    max_alt: int = 125  # above it the trailing clause goes, where there is one
    max_caption: int = 200
    max_title: int = 60
    review_over: int = 250  # above it a person decides
    neutral_nouns: bool = True  # A13: "man" → "person"
    strip_praise: bool = True  # A14: "beautiful"; hedges go in any case


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the models and the pixels say beside the text."""

    objects: Mapping[str, int] = field(
        default_factory=dict
    )  # COCO name → how many were detected; empty: no detector, or nothing seen
    contains_text: bool | None = None  # None: nobody looked, or what was seen could not be read
    lines: tuple[str, ...] = ()  # the text of the picture, if all of it could be read
    kind: PictureKind | None = None  # of picture; None: not known
    uniform: bool = False  # one colour all over, or at most 2 pixels on a side


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One text's circumstances, as every rule receives them."""

    field: TextField
    locale: str
    context: Context
    rules: TextRules
    facts: Facts
    names: frozenset[str]  # spellings to keep, e.g. a vocabulary's "iPhone"

    @property
    def max_length(self) -> int:
        return {"alt_text": self.rules.max_alt, "caption": self.rules.max_caption, "title": self.rules.max_title}[self.field]

    @property
    def final_stop(self) -> bool:
        if self.field == "caption":
            return self.rules.caption_final_stop
        return self.field == "alt_text" and self.rules.final_stop


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check has against a text. `publish` is a note that stays with the published value."""

    action: Action
    reason: str  # a key of REASONS


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    value: str | None  # a text; "" for decorative; None for no proposal
    rules: tuple[str, ...]  # ids of the rules that acted, in the order of RULES
    action: Action
    reasons: tuple[str, ...]
