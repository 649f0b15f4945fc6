"""The models of the answers of the search, for the description of the API; `tagger/services/search/render.py` makes them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tagger.annotation import Action
from tagger.api.response_models import Answer, AssetRef, Instant
from tagger.asset import PictureKind


class FoundTag(Answer):
    id: str
    label: str | None = Field(description="null after the job expired.")


class HitOut(Answer):
    asset: AssetRef
    job: str = Field(description="The newest that described it.")
    score: float = Field(description="1: first in each ranking that was made.")
    similarity: float | None = Field(description="Cosine of the vectors; null: not among the nearest.")
    matched_by: list[Literal["tag", "text", "text_in_picture", "vector"]]
    described_at: Instant = Field(description="When it was first described.")
    verdict: Action
    kind: PictureKind | None
    tags: list[FoundTag]
    alt_text: dict[str, str] = Field(description="By locale; empty after the job expired.")
    caption: dict[str, str]


class Searched(Answer):
    tags: bool
    texts: bool
    vectors: str | None = Field(description="The model whose vectors were compared; null: none were.")
    notes: list[str] = Field(description="What was not searched, and why.")


class SearchOut(Answer):
    data: list[HitOut]
    searched: Searched


class TagShare(Answer):
    id: str
    count: int
    share: float = Field(description="Of the images described in the period.")


class PeriodOut(Answer):
    start: str = Field(description="First day of the period, YYYY-MM-DD in UTC.")
    described: int
    publish: int
    review: int
    suppress: int
    tagged: int = Field(description="Images with any tag.")
    coverage: float = Field(description="Share of images with any tag.")
    tags: list[TagShare]


class TrendsOut(Answer):
    period: Literal["day", "week", "month"]
    data: list[PeriodOut]


class Twin(Answer):
    id: str
    same_file: bool = Field(description="Its file is that of the first one, byte by byte.")


class Proposal(Answer):
    asset: AssetRef
    field: Literal["alt_text"]
    locale: str
    value: str
    source: Literal["duplicate"]
    of: AssetRef = Field(description="The twin for which a person wrote the text.")
    action: Literal["review"]


class DuplicateGroup(Answer):
    assets: list[Twin] = Field(description="The one that was described first comes first.")
    proposals: list[Proposal]


class DuplicatesOut(Answer):
    compared: int = Field(description="Images with a perceptual hash.")
    data: list[DuplicateGroup]
