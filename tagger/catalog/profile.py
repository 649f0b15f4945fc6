"""Profile: a kind of business. Its vocabulary, the embedding model's instruction, limits, text rules, what checks do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from tagger.alttext.types import TextRules
from tagger.annotation import Action
from tagger.catalog import yaml_document
from tagger.catalog.vocabulary import Threshold
from tagger.errors import Pointer, ProfileInvalid, UnknownProfile

BUILT_IN: tuple[str, ...] = ("general", "ecommerce", "product", "marketing", "news", "travel", "social")
FALLBACK = "general"
LEAST_SCORE = Threshold(default=0.5, by_model={"lite": 0.8, "ofa": 0.45})
CHECK: Mapping[Literal["yes", "maybe", "no"], Action] = {"yes": "publish", "maybe": "review", "no": "suppress"}


@dataclass(frozen=True, kw_only=True)
class Profile:
    name: str
    version: int
    vocabulary: str  # name of a vocabulary; a site may name another
    instruction: str  # for the embedding model, in English
    locales: tuple[str, ...] = ("en",)
    thresholds: Mapping[str, float] = field(default_factory=dict)  # category id → probability, over the vocabulary's
    limits: Mapping[str, int] = field(default_factory=dict)  # category id → most tags, over the vocabulary's
    max_tags: int | None = None  # over all categories
    deny: tuple[str, ...] = ()  # term ids
    # Least score at which a caption publishes; of models with log-probabilities, the mean probability of a token.
    least_score: Threshold = LEAST_SCORE
    check: Mapping[Literal["yes", "maybe", "no"], Action] = field(default_factory=lambda: CHECK)  # of the caption check
    text: TextRules = field(default_factory=TextRules)


@cache
def schema() -> Mapping[str, Any]:
    """The JSON Schema of the file format, as data."""
    body: Mapping[str, Any] = json.loads(
        resources.files("tagger.catalog.profiles").joinpath("profile.schema.json").read_text("utf-8")
    )
    return body


@cache
def built_in(name: str) -> Profile:
    """A built-in profile. Errors: ProfileInvalid if it does not exist."""
    if name not in BUILT_IN:
        raise ProfileInvalid(
            f"There is no built-in profile `{name}`.", remedy=f"Use one of {', '.join(BUILT_IN)}, or name a file."
        )
    return parse(resources.files("tagger.catalog.profiles").joinpath(f"{name}.yaml").read_bytes(), source=f"{name}.yaml")


def load(path: Path) -> Profile:
    """Read a file. Errors: ProfileInvalid with line, column, reason and remedy; also when it cannot be opened."""
    return parse(yaml_document.file_bytes(path, ProfileInvalid), source=path.name)


def parse(text: str | bytes, *, source: str = "profile") -> Profile:
    """Errors: ProfileInvalid; `errors` holds a JSON Pointer, line, column, reason and remedy for each fault."""
    doc = yaml_document.read(text, source=source, fault=ProfileInvalid)
    yaml_document.check(doc, schema(), ProfileInvalid)
    body = dict(doc.data)
    least = body.get("least_score")
    return Profile(
        name=body["profile"],
        version=body["version"],
        vocabulary=body["vocabulary"],
        instruction=body["instruction"],
        locales=tuple(body.get("locales", ("en",))),
        thresholds=body.get("thresholds", {}),
        limits=body.get("limits", {}),
        max_tags=body.get("max_tags"),
        deny=tuple(body.get("deny", ())),
        least_score=LEAST_SCORE if least is None else _least(least),
        check={**CHECK, **body.get("check", {})},
        text=TextRules(**body.get("text", {})),
    )


def _least(body: float | Mapping[str, float]) -> Threshold:
    if isinstance(body, Mapping):
        own = {key: float(value) for key, value in body.items() if key != "default"}
        return Threshold(default=body.get("default", LEAST_SCORE.default), by_model={**LEAST_SCORE.by_model, **own})
    return Threshold(default=float(body))


class Profiles:
    """The profiles that an installation knows, by name."""

    def __init__(self, known: Mapping[str, Profile]) -> None:
        self._known = dict(known)

    @classmethod
    def built_in(cls) -> Profiles:
        return cls({name: built_in(name) for name in BUILT_IN})

    @classmethod
    def load(cls, home: Path | None) -> Profiles:
        """The built-in ones and those of `home`/profiles (.yaml or .yml), which win. Errors: ProfileInvalid."""
        own = [load(path) for path in yaml_document.files_in(home / "profiles")] if home is not None else []
        return cls({**cls.built_in()._known, **{profile.name: profile for profile in own}})

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._known.values())

    def get(self, name: str) -> tuple[Profile, tuple[str, ...]]:
        """The profile. If the name is unknown: `general` and a warning."""
        if name in self._known:
            return self._known[name], ()
        return self._known[FALLBACK], (f"There is no profile `{name}`; `{FALLBACK}` was used. {self._help()}",)

    def require(self, name: str) -> Profile:
        """Errors: UnknownProfile."""
        if name not in self._known:
            raise UnknownProfile(f"There is no profile `{name}`.", remedy=self._help(), errors=(Pointer(pointer="/profile"),))
        return self._known[name]

    def _help(self) -> str:
        return f"Known: {', '.join(sorted(self._known))}."
