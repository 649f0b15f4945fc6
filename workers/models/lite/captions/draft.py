"""The content of a caption, before it is put into a language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workers.models.lite.captions.nouns import Noun

Relation = Literal["with", "and", "beside", "in front of"]
Setting = Literal[
    "under a blue sky",
    "under a pale sky",
    "in a blue sky",
    "on grass",
    "outdoors",
    "indoors",
    "green background",
    "dark background",
    "white background",
]
Shot = Literal["close-up", "portrait"]
MANY = 0  # more than one; the number is not known


@dataclass(frozen=True, kw_only=True)
class Part:
    noun: Noun
    score: float  # probability that it is there
    number: int = 1  # MANY: more than one
    colour: str | None = None
    worn: str | None = None  # colour of a person's clothes; "dark" is one
    name: str | None = None  # the class's own name, where that is sure: "an espresso"


@dataclass(frozen=True, kw_only=True)
class Draft:
    subject: Part
    second: Part | None = None
    relation: Relation = "with"
    setting: Setting | None = None
    shot: Shot | None = None
    black_and_white: bool = False
    score: float  # that all of it is right
