"""A YAML 1.2 file as plain data, plus where each value stood, so that every complaint can name line and column.

Only the JSON types are built: no tags, no anchors (a few bytes of aliases can stand for gigabytes), no timestamps.
YAML 1.2 matters: there `no` is text, the locale of Norwegian, and not a boolean.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from tagger.errors import BadRequest, Pointer

MAX_BYTES = 2 << 20
MAX_DEPTH = 12
Path = tuple[str | int, ...]
Place = tuple[int, int]  # line and column, both from 1


@dataclass(frozen=True, kw_only=True)
class Problem:
    path: Path
    reason: str
    remedy: str
    at_key: bool = False  # the key is wrong, not its value


@dataclass(frozen=True, kw_only=True)
class Document:
    source: str  # the file's name, for messages
    data: Any
    places: Mapping[Path, Place]  # of values
    keys: Mapping[Path, Place]  # of the keys of mappings

    def place(self, problem: Problem) -> Place:
        path = problem.path
        if problem.at_key and path in self.keys:
            return self.keys[path]
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def pointer(path: Path) -> str:
    """RFC 6901."""
    return "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in path)


def refuse(document: Document, problems: Sequence[Problem], fault: type[BadRequest]) -> None:
    """Raise `fault` with every problem, in the order of the file; return where there is none."""
    if not problems:
        return
    placed = sorted(((document.place(p), p) for p in problems), key=lambda x: x[0])
    lines = [f"{document.source}, line {at[0]}, column {at[1]}: {p.reason}" for at, p in placed]
    errors = tuple(
        Pointer(pointer=pointer(p.path), detail=f"line {at[0]}, column {at[1]}: {p.reason} {p.remedy}") for at, p in placed
    )
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    raise fault(lines[0] + more, remedy=placed[0][1].remedy, errors=errors)


def read(text: str | bytes, *, source: str, fault: type[BadRequest]) -> Document:
    """Parse `text`. Errors: `fault` for bad UTF-8, bad YAML, a repeated key, a type that JSON has not, or over 2 MiB."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MAX_BYTES:
        raise fault(f"{source} is over {MAX_BYTES >> 20} MiB.", remedy="Split it, or take out what is not a vocabulary.")
    try:
        node = YAML(typ="safe", pure=True).compose(raw.decode("utf-8"))
    except UnicodeDecodeError as err:
        raise fault(f"{source} is not UTF-8: byte {err.start} is wrong.", remedy="Save the file as UTF-8.") from None
    except MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise fault(f"{source}{at}: {err.problem or err.context}.", remedy="Correct the YAML at that place.") from None
    except (YAMLError, ValueError) as err:  # ValueError: a character that YAML forbids
        raise fault(f"{source}: {err}", remedy="Correct the YAML.") from None
    except RecursionError:
        raise fault(f"{source} is nested too deeply.", remedy=f"Keep to {MAX_DEPTH} levels.") from None
    builder = _Builder()
    data = builder.build(node, ()) if node is not None else None
    document = Document(source=source, data=data, places=builder.places, keys=builder.keys)
    refuse(document, builder.problems, fault)
    return document


class _Builder:
    def __init__(self) -> None:
        self.places: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self.problems: list[Problem] = []
        self.seen: set[int] = set()

    def build(self, node: Any, path: Path) -> Any:
        if id(node) in self.seen:  # its marks are those of what it stands for
            return self._problem(path, "an alias (`*name`) is not allowed.", "Write the value out.", at_key=True)
        self.seen.add(id(node))
        self.places[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if len(path) > MAX_DEPTH:
            return self._problem(path, "the nesting is too deep.", f"Keep to {MAX_DEPTH} levels.")
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, n)) for n, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, ScalarNode) else "?"
            inner = (*path, name)
            place = (key.start_mark.line + 1, key.start_mark.column + 1)
            if name in out:
                first = self.keys[inner]
                self.keys[inner] = place
                reason = f"the key `{name}` stands here a second time; the first is in line {first[0]}."
                self._problem(inner, reason, "Keep one of the two.", at_key=True)
                continue
            self.keys[inner] = place
            if not str(key.tag).endswith(":str"):
                self._problem(inner, f"the key `{name}` is not text.", "Put it in quotes.", at_key=True)
            out[name] = self.build(value, inner)
        return out

    def _scalar(self, node: Any, path: Path) -> Any:
        text: str = node.value
        kind = str(node.tag).rpartition(":")[2]
        if kind == "str":
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind in ("int", "float"):
            try:
                number = int(text, 0) if kind == "int" else float(text)
            except ValueError:
                number = math.nan
            if math.isfinite(number):
                return number
        return self._problem(path, f"`{text}` cannot be read as a value here.", "Put it in quotes if it is meant as text.")

    def _problem(self, path: Path, reason: str, remedy: str, at_key: bool = False) -> None:
        self.problems.append(Problem(path=path, reason=reason, remedy=remedy, at_key=at_key))


KINDS = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number", "number": "a number"}


def check(document: Document, schema: Mapping[str, Any], fault: type[BadRequest]) -> None:
    """Errors: `fault`, with every place where the document does not fit the JSON Schema."""
    problems = [p for error in Draft202012Validator(schema).iter_errors(document.data) for p in _problems(error)]
    refuse(document, problems, fault)


def _problems(error: Any) -> list[Problem]:
    path: Path = tuple(error.absolute_path)
    rule, wanted, found = error.validator, error.validator_value, error.instance
    if rule in ("oneOf", "anyOf") and error.context:
        # Complain about the form that the writer most probably meant: the one of the same type.
        fitting = [e for e in error.context if e.validator != "type" or e.absolute_path != error.absolute_path]
        if fitting:
            return _problems(min(fitting, key=lambda e: len(e.absolute_path)))
        return [Problem(path=path, reason=f"{_show(found)} does not fit here.", remedy=_help(error))]
    if rule == "additionalProperties":
        known = list(error.schema.get("properties", ()))
        return [_unknown(path, key, known) for key in found if key not in known]
    if rule == "required":
        missing = [key for key in wanted if key not in found]
        return [Problem(path=path, reason=f"the key `{key}` is missing.", remedy=f"Add `{key}:`.") for key in missing]
    if rule == "type":
        kinds = " or ".join(KINDS.get(k, k) for k in ([wanted] if isinstance(wanted, str) else wanted))
        return [Problem(path=path, reason=f"{_show(found)} is not {kinds}.", remedy=f"Write {kinds}. {_help(error)}".strip())]
    if "propertyNames" in error.absolute_schema_path:
        return [Problem(path=(*path, str(found)), reason=f"`{found}` is not a valid name.", remedy=_help(error), at_key=True)]
    if rule == "pattern":
        return [Problem(path=path, reason=f"{_show(found)} has not the right form.", remedy=_help(error))]
    return [Problem(path=path, reason=f"{error.message}.", remedy=_help(error))]


def _unknown(path: Path, key: str, known: list[str]) -> Problem:
    near = difflib.get_close_matches(key, known, 1)
    remedy = f"Did you mean `{near[0]}`?" if near else f"Take it out; known here: {', '.join(known)}."
    return Problem(path=(*path, key), reason=f"`{key}` is not known here.", remedy=remedy, at_key=True)


def _help(error: Any) -> str:
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    return str(schema.get("description", "Correct the value."))


def _show(value: Any) -> str:
    text = "nothing" if value is None else f"`{value}`"
    return text if len(text) <= 60 else text[:57] + "…`"
