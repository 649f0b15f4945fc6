"""What the demo shows of one image: each text, who wrote it or that it is a proposal, and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tagger.judge.gate import REASONS

Standing = Literal["published", "proposed", "editor", "file"]
State = Literal["published", "proposed", "editor", "tags", "nothing", "failed"]

FIELDS = {"alt_text": "alt text", "caption": "caption"}
WRITERS: Mapping[str, Standing] = {"tagger": "published", "person": "editor", "import": "file"}
STANDINGS: Mapping[Standing, str] = {
    "published": "published",
    "proposed": "proposed",
    "editor": "by an editor",
    "file": "from the file",
}
STATES: Mapping[State, str] = {
    "published": "published",
    "proposed": "proposed",
    "editor": "an editor's text",
    "tags": "tags only",
    "nothing": "nothing to say",
    "failed": "failed",
}
ACCEPTED = "The caption check says that the text describes the image."
COUNTED: Mapping[State, str] = {
    "published": "with published texts",
    "proposed": "with proposed texts",
    "editor": "with an editor's text",
    "tags": "with tags only",
    "nothing": "with nothing to say",
    "failed": "failed",
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One asset of the media library, with tagger's job."""

    file: str
    picture: Path
    asset: dict[str, Any]  # of the media library
    job: dict[str, Any]  # of tagger
    checked: bool = False  # whether a model compared each text with the image


@dataclass(frozen=True, kw_only=True)
class Line:
    name: str
    text: str
    standing: Standing
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class Words:
    """Everything that is said of one image."""

    state: State
    lines: tuple[Line, ...]
    why: tuple[str, ...]  # sentences
    tags: tuple[dict[str, Any], ...]  # that were published, with their scores

    def told(self, line: Line) -> str:
        """The score of a line, and its standing where the state of the image does not say it: "published 0.93"."""
        standing = STANDINGS[line.standing] if line.standing != self.state else ""
        return " ".join(part for part in (standing, "" if line.score is None else f"{line.score:.2f}") if part)


def words_of(shown: Shown) -> Words:
    job, lines, tags = shown.job, tuple(_lines(shown)), tags_of(shown.job)
    return Words(state=_state(job, lines, tags), lines=lines, why=tuple(dict.fromkeys(_why(shown, lines))), tags=tags)


def totals(all_words: Iterable[Words]) -> str:
    """How many images ended in which state: "11 images: 4 with published texts, 1 failed"."""
    counted = Counter(words.state for words in all_words)
    parts = ", ".join(f"{counted[state]} {phrase}" for state, phrase in COUNTED.items() if counted[state])
    return f"{counted.total()} image{'' if counted.total() == 1 else 's'}: {parts}"


def origin(shown: Iterable[Shown]) -> str:
    """Which models wrote the texts. `caption = auto` may have chosen OFA, so the jobs are asked."""
    everything = tuple(shown)
    if not any((a.get("model") or "").startswith("ofa") for one in everything for a in one.job["annotations"]):
        return "The models are small, are part of tagger, and run on a CPU."
    checked = " A second model compared each with its image." if any(one.checked for one in everything) else ""
    return "The sentences are those of OFA." + checked


def tags_of(job: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The tags that were published, with their scores."""
    return tuple(
        tag
        for annotation in job["annotations"]
        if isinstance(annotation["value"], list) and annotation["verdict"]["action"] == "publish"
        for tag in annotation["value"]
    )


def text_of(asset: Mapping[str, Any], field: str, locale: str = "en") -> str | None:
    text = asset["fields"].get(field, {}).get(locale)
    return None if text is None else str(text["value"])


def publishes(job: Mapping[str, Any]) -> bool:
    """Whether there is a value to write to the media library."""
    return any(a["verdict"]["action"] == "publish" and a["value"] is not None for a in job["annotations"])


def in_short(job: Mapping[str, Any]) -> str:
    """The caption of a job, or what else it says, in one line."""
    texts = {a["field"]: a for a in job["annotations"] if isinstance(a["value"], str) and a["value"]}
    first = texts.get("caption") or texts.get("alt_text")
    tags = ", ".join(tag["label"] for tag in tags_of(job))
    if first is None:
        return f"no text; tags: {tags}" if tags else "no text"
    proposed = " (proposed to a person)" if first["verdict"]["action"] == "review" else ""
    return f"“{first['value']}”{proposed}"


def written(job: Mapping[str, Any]) -> str:
    """The fields that a job publishes: "alt text, caption, 4 tags"."""
    published = [a for a in job["annotations"] if a["verdict"]["action"] == "publish" and a["value"] is not None]
    texts = [FIELDS.get(a["field"], a["field"]) for a in published if isinstance(a["value"], str)]
    count = len(tags_of(job))
    return ", ".join([*texts, *([f"{count} tag{'s' if count > 1 else ''}"] if count else [])])


def _lines(shown: Shown) -> Iterator[Line]:
    offers = {a["field"]: a for a in shown.job["annotations"] if isinstance(a["value"], str) and a["value"]}
    for field, name in FIELDS.items():
        held, offer = shown.asset["fields"].get(field, {}).get("en"), offers.get(field)
        if held is not None and held["value"]:
            yield Line(name=name, text=held["value"], standing=WRITERS[held["writer"]], score=held.get("score"))
        elif offer is not None and offer["verdict"]["action"] == "review":
            yield Line(name=name, text=offer["value"], standing="proposed", score=offer.get("score"))


def _state(job: Mapping[str, Any], lines: tuple[Line, ...], tags: tuple[dict[str, Any], ...]) -> State:
    standings = {line.standing for line in lines}
    if job["error"]:
        return "failed"
    for standing in ("editor", "proposed", "published"):
        if standing in standings:
            return standing
    return "tags" if tags else "nothing"


def _why(shown: Shown, lines: tuple[Line, ...]) -> Iterator[str]:
    """Why a text is proposed, why there is none, why tagger's own was not written, or that the check accepts it."""
    job = shown.job
    if job["error"]:
        yield job["error"]["detail"]
        return
    if any(line.standing == "editor" for line in lines):
        yield "An editor wrote this. tagger did not overwrite it."
        return
    proposed = any(line.standing == "proposed" for line in lines)
    if lines and not proposed:
        if shown.checked and any(line.score is not None for line in lines):
            yield ACCEPTED
        return
    action = "review" if proposed else "suppress"
    verdicts = [a["verdict"] for a in job["annotations"] if a["field"] in FIELDS and a["verdict"]["action"] == action]
    for reason in [reason for verdict in verdicts for reason in verdict["reasons"]] or ["nothing_to_say"]:
        yield REASONS.get(reason, reason)
