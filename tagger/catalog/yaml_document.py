"""A YAML file as data, with the place of each value, so that every error can name line and column."""

from __future__ import annotations

import difflib
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator

from tagger.catalog import yaml_reader
from tagger.catalog.yaml_reader import MAX_PROBLEMS, Path, Place, Problem, Unreadable, shown
from tagger.errors import BadRequest, Pointer

MAX_BYTES = 2 << 20
ENDINGS = (".yaml", ".yml")  # in any case of letters


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
    """Raise `fault` with all problems, in the order of the file. Return if there is none."""
    if not problems:
        return
    placed = sorted(((document.place(p), p) for p in problems), key=lambda x: x[0])
    lines = [f"{document.source}, line {at[0]}, column {at[1]}: {p.reason}" for at, p in placed]
    errors = tuple(
        Pointer(pointer=pointer(p.path), detail=f"line {at[0]}, column {at[1]}: {p.reason} {p.remedy}") for at, p in placed
    )
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    raise fault(lines[0] + more, remedy=placed[0][1].remedy, errors=errors)


def files_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """The YAML files of `folder`, by name. A Mac leaves a hidden `._newsroom.yaml` beside each file that it copies."""
    return [path for path in _shown(folder) if path.suffix.lower() in ENDINGS]


def passed_over(folder: pathlib.Path) -> list[pathlib.Path]:
    """What else is there, and is not read."""
    notes = ("readme", "licence", "license", "notice")
    return [path for path in _shown(folder) if path.suffix.lower() not in ENDINGS and path.stem.lower() not in notes]


def _shown(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.glob("*") if not path.name.startswith("."))


def file_bytes(path: pathlib.Path, fault: type[BadRequest]) -> bytes:
    """The file, or enough of it that `read` refuses it as too large. Errors: `fault` if it cannot be opened."""
    if path.exists() and not path.is_file():
        raise fault(f"{path.name} is no plain file.", remedy="Move it away, or put a YAML file there.")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as err:
        raise fault(f"{path} cannot be read: {err.strerror}.", remedy="Check the path and the permissions.") from err


def read(text: str | bytes, *, source: str, fault: type[BadRequest]) -> Document:
    """Parse `text`. Errors: `fault` for invalid UTF-8 or YAML, a repeated key, a type that JSON does not have, or over 2 MiB."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MAX_BYTES:
        raise fault(
            f"{source} is larger than {MAX_BYTES >> 20} MiB.",
            remedy="Split the file, or remove what is not part of a vocabulary.",
        )
    try:
        reading = yaml_reader.read(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        raise fault(f"{source} is not UTF-8: byte {err.start} is not valid.", remedy="Save the file as UTF-8.") from None
    except Unreadable as err:
        at = f", line {err.place[0]}, column {err.place[1]}" if err.place else ""
        raise fault(f"{source}{at}: {err}", remedy=err.remedy) from None
    document = Document(source=source, data=reading.data, places=reading.places, keys=reading.keys)
    refuse(document, reading.problems, fault)
    return document


KINDS = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number", "number": "a number"}


def check(document: Document, schema: Mapping[str, Any], fault: type[BadRequest]) -> None:
    """Errors: `fault`, with every place that violates the JSON Schema."""
    problems = (p for error in Draft202012Validator(schema).iter_errors(document.data) for p in _problems(error))
    refuse(document, list(dict.fromkeys(islice(problems, MAX_PROBLEMS))), fault)  # a missing key is reported once


def _problems(error: Any) -> Iterator[Problem] | list[Problem]:
    path: Path = tuple(error.absolute_path)
    rule, wanted, value = error.validator, error.validator_value, error.instance
    if rule in ("oneOf", "anyOf") and error.context:
        # Report the form that the author probably meant: the one of the same type.
        fitting = [e for e in error.context if e.validator != "type" or e.absolute_path != error.absolute_path]
        if fitting:
            return _problems(min(fitting, key=lambda e: len(e.absolute_path)))
        return [Problem(path=path, reason=f"{_show(value)} is not valid here.", remedy=_help(error))]
    if rule == "additionalProperties":
        properties = list(error.schema.get("properties", ()))
        return (_unknown(path, key, properties) for key in value if key not in properties)
    if rule == "required":
        missing = [key for key in wanted if key not in value]
        return [Problem(path=path, reason=f"the key `{key}` is missing.", remedy=f"Add `{key}:`.") for key in missing]
    if rule == "type":
        kinds = " or ".join(KINDS.get(k, k) for k in ([wanted] if isinstance(wanted, str) else wanted))
        return [Problem(path=path, reason=f"{_show(value)} is not {kinds}.", remedy=f"Write {kinds}. {_help(error)}".strip())]
    if "propertyNames" in error.absolute_schema_path:
        return [Problem(path=(*path, str(value)), reason=f"`{value}` is not a valid name.", remedy=_help(error), at_key=True)]
    if rule == "pattern":
        return [Problem(path=path, reason=f"{_show(value)} does not have the right form.", remedy=_help(error))]
    return [Problem(path=path, reason=f"{error.message}.", remedy=_help(error))]


def _unknown(path: Path, key: str, properties: list[str]) -> Problem:
    near = difflib.get_close_matches(key, properties, 1)
    remedy = f"Did you mean `{near[0]}`?" if near else f"Take it out; known here: {', '.join(properties)}."
    return Problem(path=(*path, key), reason=f"`{key}` is not allowed here.", remedy=remedy, at_key=True)


def _help(error: Any) -> str:
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    return str(schema.get("description", "Correct the value."))


def _show(value: Any) -> str:
    return "nothing" if value is None else f"`{shown(str(value))}`"
