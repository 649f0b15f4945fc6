"""Reads YAML 1.2 from libyaml's events as plain data, with the place of each value. Size, depth and number of values are limited.

Only the JSON types are built: no tags, no anchors (a few bytes of aliases can expand to gigabytes), no timestamps. In YAML 1.2
`no` is text, the locale of Norwegian, not a boolean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DEPTH = 12
MAX_VALUES = 200_000  # of some ten for each term of a vocabulary
MAX_PROBLEMS = 50  # a file with more is probably the wrong file
MAX_NUMBER = 1 << 63
Path = tuple[str | int, ...]
Place = tuple[int, int]  # line and column, both from 1

PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml reads 20 times as fast
TEXT_TAG = "tag:yaml.org,2002:str"
NULL = frozenset({"", "~", "null", "Null", "NULL"})
BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")  # other readers make a date of it: it must stand in quotes
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Problem:
    path: Path
    reason: str
    remedy: str
    at_key: bool = False  # the key is wrong, not its value


@dataclass(kw_only=True)
class Reading:
    data: Any = None
    places: dict[Path, Place] = field(default_factory=dict)  # of values
    keys: dict[Path, Place] = field(default_factory=dict)  # of the keys of mappings
    problems: list[Problem] = field(default_factory=list)


class Unreadable(Exception):
    """The file is not YAML, or too large. `place` is None for the whole file."""

    def __init__(self, reason: str, remedy: str, place: Place | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.place = place


def is_plain_text(text: str) -> bool:
    """Whether YAML reads `text` without quotes as text."""
    return text not in NULL and text not in BOOL and not any(p.fullmatch(text) for p in (WHOLE, NUMBER, NO_NUMBER, DATE))


def read(text: str) -> Reading:
    """Errors: Unreadable."""
    reading = Reading()
    builder = _Builder(reading, iter(yaml.parse(text, Loader=PARSER)))
    try:
        builder.document()
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else None
        raise Unreadable(f"{err.problem or err.context}.", "Correct the YAML at this place.", place) from None
    except (yaml.YAMLError, ValueError) as err:  # a character that YAML forbids
        raise Unreadable(" ".join(str(err).split()), "Correct the YAML.") from None
    except _EnoughProblems:
        pass
    return reading


class _EnoughProblems(Exception):
    pass


class _Builder:
    def __init__(self, reading: Reading, events: Iterator[Any]) -> None:
        self.reading = reading
        self.events = events
        self.values = 0

    def document(self) -> None:
        next(self.events)  # the stream
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return
        self.reading.data = self.build(next(self.events), ())
        next(self.events)  # the document's end
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise Unreadable("a second document begins here.", "Write only one document into the file.", _place(event))

    def build(self, event: Any, path: Path) -> Any:
        self.values += 1
        if self.values > MAX_VALUES:
            raise Unreadable(f"it holds more than {MAX_VALUES:,} values.", "Split the file, or remove what you do not need.")
        self.reading.places[path] = _place(event)
        if isinstance(event, yaml.AliasEvent):
            return self.problem(path, "an alias (`*name`) is not allowed.", "Write the value instead of the alias.")
        if len(path) > MAX_DEPTH:
            self.problem(path, "the nesting is too deep.", f"Use at most {MAX_DEPTH} levels.")
            raise _EnoughProblems  # deeper values are not checked
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path)
        return self.scalar(event, path)

    def sequence(self, path: Path) -> list[Any]:
        out: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            out.append(self.build(event, (*path, len(out))))
        return out

    def mapping(self, path: Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            name = self.key(key, path)
            inner = (*path, name)
            if name in out:
                first = self.reading.keys[inner]
                self.reading.keys[inner] = _place(key)
                reason = f"the key `{name}` stands here a second time; the first is in line {first[0]}."
                self.problem(inner, reason, "Delete one of the two.", at_key=True)
                self.build(next(self.events), inner)
                continue
            self.reading.keys[inner] = _place(key)
            if not isinstance(key, yaml.ScalarEvent) or not _is_text(key):
                self.problem(inner, f"the key `{shown(name)}` is not text.", "Put it in quotes.", at_key=True)
            out[name] = self.build(next(self.events), inner)
        return out

    def key(self, event: Any, path: Path) -> str:
        if isinstance(event, yaml.ScalarEvent):
            return str(event.value)
        if not isinstance(event, yaml.AliasEvent):
            self.build(event, (*path, "?"))  # a list or a mapping: read past it
        return "?"

    def scalar(self, event: Any, path: Path) -> Any:
        text: str = event.value
        if _is_text(event):
            if CONTROL.search(text):
                return self.problem(path, f"`{shown(text)}` holds a control character.", "Remove it.")
            return text
        if event.tag is None:
            if text in NULL:
                return None
            if text in BOOL:
                return BOOL[text]
            number = _number(text)
            if number is not None:
                return number
        return self.problem(path, f"`{shown(text)}` cannot be read as a value here.", "If it is text, put it in quotes.")

    def problem(self, path: Path, reason: str, remedy: str, at_key: bool = False) -> None:
        self.reading.problems.append(Problem(path=path, reason=reason, remedy=remedy, at_key=at_key))
        if len(self.reading.problems) >= MAX_PROBLEMS:
            raise _EnoughProblems


def _is_text(event: Any) -> bool:
    if event.tag is not None and event.tag != "!":
        return bool(event.tag == TEXT_TAG)
    return not event.implicit[0] or is_plain_text(event.value)


def _number(text: str) -> float | None:
    """None if it is not a finite number, or too large for a ledger."""
    if len(text) > 400 or not (WHOLE.fullmatch(text) or NUMBER.fullmatch(text)):
        return None
    number = int(text, 0) if text[:2] in ("0x", "0o") else int(text) if WHOLE.fullmatch(text) else float(text)
    return number if abs(number) < MAX_NUMBER or (isinstance(number, float) and math.isfinite(number)) else None


def shown(text: str) -> str:
    """A value for a message: one line, and shortened if it is long."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return line if len(line) <= 60 else line[:57] + "…"


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1
